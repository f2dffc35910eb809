"""UDP mux: one socket for the ICE agents of many connections.

Binding requests name the agent that they are for in USERNAME (RFC 8445, section 7.2.2); answers
come to whom has asked; and all else comes from an address to which one of the agents has spoken,
and which it knows to be the other side's. What is private in this is listed in `ledger`.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any, Final

from aioice.ice import StunProtocol

from ....world import world
from ...bridge.ownership import unowned
from ..dtls.datagrams import addresses_of_peer, quicken

Address = tuple[str, int]

MOST_ADDRESSES: Final = 512
"""Of the other side, for one agent, those included that are servers."""

MOST_ASKED: Final = 64
"""Requests of one agent that are remembered before those that nobody waits for are forgotten."""

_LAST_OF_STUN: Final = 3
_HEADER: Final = 20
_USERNAME: Final = 0x0006
_CLASS: Final = 0x0110
_RESPONSE: Final = 0x0100

_muxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str, int], UdpMux]] = (
    weakref.WeakKeyDictionary()
)


@asynccontextmanager
async def open_udp_mux(address: str, port: int) -> AsyncIterator[UdpMux]:
    """The socket of this address, which stays open for the block at least.

    Raises:
        OSError: another program has it.
    """
    muxes = _muxes.setdefault(asyncio.get_running_loop(), {})
    key = world().place(), address, port
    while key in muxes and not muxes[key].holders:
        await asyncio.shield(muxes[key].closed)
    if key not in muxes:
        muxes[key] = UdpMux(address, port, lambda: muxes.pop(key))
    mux = muxes[key]
    mux.holders += 1
    try:
        await mux.opened()
        yield mux
    finally:
        mux.release()


async def attach(agent: Any, address: str, port: int) -> StunProtocol:
    """Have an ICE agent use the socket of an address that all have in common.

    Raises:
        OSError: another program has it.
    """
    async with open_udp_mux(address, port) as mux:
        return mux.attach(agent)


class UdpMux(asyncio.DatagramProtocol):
    """One socket.

    Attributes:
        holders: who needs it, agents included. It is closed with the last one.
        on_stranger: is told the username of a check for no agent here, and where it comes from.
        closed: done when it is.
    """

    transport: Any

    def __init__(self, address: str, port: int, on_close: Callable[[], object]):
        loop = asyncio.get_running_loop()
        self.holders = 0
        self.on_stranger: Callable[[str, Address], None] | None = None
        self.closed: asyncio.Future[None] = loop.create_future()
        self._on_close = on_close
        self._shares: dict[str, _Share] = {}
        self._asked: dict[bytes, _Share] = {}
        self._speakers: dict[Address, list[_Share]] = {}
        self._routes: dict[Address, _Share] = {}
        # It belongs to none of those who use it.
        self._opening = loop.create_task(self._open(address, port), context=unowned())

    async def _open(self, address: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(address, port))
        quicken(self)

    async def opened(self) -> None:
        """Wait until it is bound.

        Raises:
            OSError: that is not possible.
        """
        await asyncio.shield(self._opening)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def attach(self, agent: Any) -> StunProtocol:
        """Have another agent use it."""
        self.holders += 1
        share = _Share(self, StunProtocol(agent))
        self._shares[agent.local_username] = share
        share.protocol.connection_made(share)
        return share.protocol

    def detach(self, share: _Share) -> None:
        """An agent is done with it."""
        self._shares.pop(share.username, None)
        for transaction in share.asked:
            self._asked.pop(transaction, None)
        for address in share.addresses:
            self._speakers[address].remove(share)
            self._routes.pop(address, None)
            if not self._speakers[address]:
                del self._speakers[address]
        self.release()

    def release(self) -> None:
        """One who needed it does so no more."""
        self.holders -= 1
        if not self.holders:
            self._opening.add_done_callback(self._close)
            self._opening.cancel()

    def _close(self, opening: asyncio.Task[None]) -> None:
        if not opening.cancelled():
            # That it could not be bound is known to whoever has waited for it.
            opening.exception()
        if hasattr(self, "transport"):
            self.transport.close()
        else:
            self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_close()
        self.closed.set_result(None)

    # What comes.

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        share = self._receiver(data, addr[:2]) if data else None
        if share is not None:
            share.context.run(share.protocol.datagram_received, data, addr)

    def _receiver(self, data: bytes, address: Address) -> _Share | None:
        if data[0] <= _LAST_OF_STUN and len(data) >= _HEADER:
            kind = int.from_bytes(data[:2]) & _CLASS
            if not kind:
                return self._for_request(username(data), address)
            if kind & _RESPONSE:
                return self._asked.get(data[8:_HEADER])
        route = self._routes.get(address)
        if route is None:
            for share in self._speakers.get(address, ()):
                if address in addresses_of_peer(share.protocol.receiver):
                    route = self._routes[address] = share
                    break
        return route

    def _for_request(self, name: str, address: Address) -> _Share | None:
        share = self._shares.get(name.partition(":")[0])
        if share is None and self.on_stranger is not None:
            self.on_stranger(name, address)
        return share

    # What is sent.

    def send(self, share: _Share, data: bytes, address: Address) -> None:
        """Send a datagram of an agent's."""
        if address not in share.addresses and len(share.addresses) < MOST_ADDRESSES:
            share.addresses.add(address)
            self._speakers.setdefault(address, []).append(share)
        if data[0] <= _LAST_OF_STUN and not int.from_bytes(data[:2]) & _CLASS:
            self._ask(share, data[8:_HEADER])
        self.transport.sendto(data, address)

    def _ask(self, share: _Share, transaction: bytes) -> None:
        if len(share.asked) >= MOST_ASKED:
            for old in share.asked - share.protocol.transactions.keys():
                share.asked.discard(old)
                del self._asked[old]
        share.asked.add(transaction)
        self._asked[transaction] = share


class _Share(asyncio.DatagramTransport):
    """An agent's share of a socket, which is a transport to it."""

    def __init__(self, mux: UdpMux, protocol: StunProtocol):
        super().__init__()
        self.protocol = protocol
        self.username: str = protocol.receiver.local_username
        # What the agent starts when something comes belongs to its connection.
        self.context = copy_context()
        self.addresses: set[Address] = set()
        self.asked: set[bytes] = set()
        self._mux = mux
        self._is_closing = False

    def sendto(self, data: Any, addr: Any = None) -> None:
        if not self._is_closing:
            self._mux.send(self, data, (addr[0], addr[1]))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._mux.transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        size: int = self._mux.transport.get_write_buffer_size()
        return size

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._mux.detach(self)
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()


def username(data: bytes) -> str:
    """The USERNAME of a STUN message; empty if it has none that can be read."""
    place = _HEADER
    while place + 4 <= len(data):
        kind, length = (
            int.from_bytes(data[place : place + 2]),
            int.from_bytes(data[place + 2 : place + 4]),
        )
        if kind == _USERNAME:
            return data[place + 4 : place + 4 + length].decode("utf-8", "replace")
        place += 4 + length + -length % 4
    return ""
