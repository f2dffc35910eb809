"""Relay of a TURN server, that takes checks while the channel for them is being bound (RFC 8656).

aioice 0.13 binds a channel to each peer, which takes a round trip to the server, and keeps what
is for that peer until then. The same request installs the permission that a Send indication
needs (section 12.1), so that one can follow it at once: a call has its relay a round trip earlier.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from aioice.ice import StunProtocol
from aioice.stun import Class, Message, Method

Address = tuple[str, int]


def hasten(relay: StunProtocol) -> None:
    """Have what is sent over a relay not wait for its channel."""
    transport: Any = relay.transport
    client: Any = transport._TurnTransport__inner_protocol
    client.send_data = partial(_send, client, client.send_data)


async def _send(client: Any, send_data: Any, data: bytes, address: Address) -> None:
    if address in client.peer_to_channel:
        await send_data(data, address)
    elif address in client.peer_connect_waiters:
        _indicate(client, data, address)
    else:
        # It comes again when the channel is bound, which does no harm: it is a check, as there
        # is no other use for a way that has not been checked.
        binding = asyncio.ensure_future(send_data(data, address))
        try:
            await asyncio.sleep(0)
            _indicate(client, data, address)
            await binding
        finally:
            binding.cancel()


def _indicate(client: Any, data: bytes, address: Address) -> None:
    indication = Message(message_method=Method.SEND, message_class=Class.INDICATION)
    indication.attributes["XOR-PEER-ADDRESS"] = address
    indication.attributes["DATA"] = data
    client._send(bytes(indication))
