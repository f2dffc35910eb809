"""UDP mux: one socket for the ICE agents of many connections.

Binding requests name the agent that they are for in USERNAME (RFC 8445, section 7.2.2), and answers
come to whom has asked. All else tells only where it comes from. So an address of the other side
belongs to the first connection whose STUN messages have come from there. Another one to the same
address, as between two programs that both have one port, takes a port of its own, of which the
other side hears by its checks. What is private in this is listed in `ledger`.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any, Final

from aioice.candidate import Candidate
from aioice.ice import CandidatePair, StunProtocol

from ....world import world
from ...bridge.ownership import unowned
from ..dtls.datagrams import addresses_of_peer, protect, quicken
from .checks import candidates_to_come
from .ice_tcp import PassiveCandidate
from .stun_reading import is_request, is_response, transaction, username
from .tcp_mux import TcpMux
from .udp_socket import host_candidate, open_udp

logger = logging.getLogger("trio_rtc.rtc")

Address = tuple[str, int]

MOST_ADDRESSES: Final = 512
"""Of the other side, for one agent."""

MOST_ASKED: Final = 64
"""Requests of one agent that are remembered before those that nobody waits for are forgotten."""

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


async def attach_tcp(agent: Any, address: str, port: int) -> Candidate | None:
    """Have an agent that is attached take connections to the same port of TCP as well.

    Returns:
        its passive candidate; None: it is not attached.

    Raises:
        OSError: another program has the port.
    """
    async with open_udp_mux(address, port) as mux:
        return await mux.listen(agent)


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
        address: what it is bound to, with the name of the link if it is one of a link, and
        port: there.
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
        self.address = address
        self.port = port
        self._shares: dict[str, _Share] = {}
        self._asked: dict[bytes, _Share] = {}
        self._owners: dict[Address, _Share] = {}
        self._tcp = TcpMux(self._shares.get)
        self._listening: asyncio.Task[None] | None = None
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
        share = _Share(self, agent)
        self._shares[agent.local_username] = share
        share.protocol.connection_made(share)
        share.protocol.local_candidate = host_candidate(self.address, self.port)
        return share.protocol

    async def listen(self, agent: Any) -> Candidate | None:
        """Listen, and have an agent take connections.

        Raises:
            OSError: another program has the port.
        """
        if self._listening is None:
            work = self._tcp.open(self.address, self.port)
            self._listening = asyncio.get_running_loop().create_task(work, context=unowned())
        await asyncio.shield(self._listening)
        share = self._shares.get(agent.local_username)
        if share is None:
            return None
        share.passive = PassiveCandidate(agent, self.address.partition("%")[0], self.port)
        return share.passive.candidate

    def detach(self, share: _Share) -> None:
        """An agent is done with it."""
        self._shares.pop(share.username, None)
        for request in share.asked:
            self._asked.pop(request, None)
        # After a restart of ICE, or one that is given up, the other agent goes on with them.
        heir = next((other for other in self._shares.values() if other.is_of(share)), None)
        for address in share.addresses:
            if heir is None:
                del self._owners[address]
            else:
                self._owners[address] = heir
                heir.addresses.add(address)
        self.release()

    def release(self) -> None:
        """One who needed it does so no more."""
        self.holders -= 1
        if not self.holders:
            if self._listening is not None:
                self._listening.add_done_callback(self._close_tcp)
                self._listening.cancel()
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

    def _close_tcp(self, listening: asyncio.Task[None]) -> None:
        if not listening.cancelled():
            # As above.
            listening.exception()
        self._tcp.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_close()
        self.closed.set_result(None)

    # What comes.

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        share = self._receiver(data, addr[:2]) if data else None
        if share is not None:
            share.context.run(share.protocol.datagram_received, data, addr)

    def _receiver(self, data: bytes, address: Address) -> _Share | None:
        if is_request(data):
            share = self._for_request(username(data), address)
            return share if share is not None and self._give(address, share) else None
        if is_response(data):
            share = self._asked.get(transaction(data))
            # What a STUN server says belongs to whoever has asked.
            if share is None or address not in addresses_of_peer(share.agent):
                return share
            return share if self._give(address, share) else None
        return self._owners.get(address)

    def _give(self, address: Address, share: _Share) -> bool:
        """Let a connection have an address of the other side; False: another one has it."""
        owner = self._owners.get(address)
        if owner is None and len(share.addresses) < MOST_ADDRESSES:
            self._owners[address] = share
            share.addresses.add(address)
        return owner is None or owner.is_of(share)

    def _for_request(self, name: str, address: Address) -> _Share | None:
        share = self._shares.get(name.partition(":")[0])
        if share is None and self.on_stranger is not None:
            self.on_stranger(name, address)
        return share

    # What is sent.

    def send(self, share: _Share, data: bytes, address: Address) -> None:
        """Send a datagram of an agent's."""
        if is_request(data):
            owner = self._owners.get(address)
            if owner is not None and not owner.is_of(share):
                share.check_from_own_port(address)
                return
            self._ask(share, transaction(data))
        self.transport.sendto(data, address)

    def _ask(self, share: _Share, request: bytes) -> None:
        if len(share.asked) >= MOST_ASKED:
            for old in share.asked - share.protocol.transactions.keys():
                share.asked.discard(old)
                del self._asked[old]
        share.asked.add(request)
        self._asked[request] = share


class _Share(asyncio.DatagramTransport):
    """An agent's share of a socket, which is a transport to it."""

    def __init__(self, mux: UdpMux, agent: Any):
        super().__init__()
        self.agent = agent
        self.protocol = StunProtocol(agent)
        self.username: str = agent.local_username
        # What the agent starts when something comes belongs to its connection.
        self.context = copy_context()
        self.addresses: set[Address] = set()
        self.asked: set[bytes] = set()
        self.passive: PassiveCandidate | None = None
        self._mux = mux
        self._is_closing = False
        self._own_port: asyncio.Task[StunProtocol | None] | None = None

    def is_of(self, other: _Share) -> bool:
        """Whether both are of one connection, whose agents replace each other."""
        return self.agent._queue is other.agent._queue

    def check_from_own_port(self, address: Address) -> None:
        """Have the agent check an address of the other side from a port that is not shared."""
        if self._own_port is None:
            self._own_port = asyncio.get_running_loop().create_task(self._open_own_port())
        self._own_port.add_done_callback(lambda opened: self._check(opened, address))

    async def _open_own_port(self) -> StunProtocol | None:
        agent, shared = self.agent, self.protocol.local_candidate
        with candidates_to_come(agent):
            try:
                protocol = await open_udp(agent, self._mux.address, 0)
            except OSError as error:
                logger.warning("a call has no port of its own at %s: %s", shared.host, error)
                return None
            if agent._closing:
                await protocol.close()
                return None
            agent._protocols.append(protocol)
            protect(agent)
            return protocol

    def _check(self, opened: asyncio.Task[StunProtocol | None], address: Address) -> None:
        agent = self.agent
        protocol = None if opened.cancelled() else opened.result()
        if protocol is None or agent._closing:
            return
        for remote in agent._remote_candidates:
            if (remote._network_host, remote.port) == address and not any(
                pair.protocol is protocol and pair.remote_candidate is remote
                for pair in agent._check_list
            ):
                pair = CandidatePair(protocol, remote)
                agent._check_list.append(pair)
                agent.sort_check_list()
                agent.check_start_task(pair)

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
