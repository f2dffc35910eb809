"""UDP sockets of host candidates, at a port of our choice."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from aioice import turn
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import StunProtocol


async def open_udp(agent: Any, address: str, port: int) -> StunProtocol:
    """A socket of an ICE agent's, with its candidate; of port 0: any.

    Raises:
        OSError: it is taken.
    """
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: StunProtocol(agent), local_addr=(address, port)
    )
    if (sock := transport.get_extra_info("socket")) is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, turn.UDP_SOCKET_BUFFER_SIZE)
    protocol.local_candidate = host_candidate(address, transport.get_extra_info("sockname")[1])
    return protocol


def host_candidate(address: str, port: int) -> Candidate:
    """That of a socket."""
    return Candidate(
        foundation=candidate_foundation("host", "udp", address),
        component=1,
        transport="udp",
        priority=candidate_priority(1, "host"),
        host=address.partition("%")[0],
        port=port,
        type="host",
    )
