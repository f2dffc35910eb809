"""ICE over TCP (RFC 6544), for networks that let no UDP through, with candidates of both kinds.

A passive candidate is a port that others connect to; who has an active one connects. Each packet
has its length before it (RFC 4571). aioice 0.13 knows neither; what this needs of it that is not
public is listed in `ledger`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from aioice.candidate import Candidate, candidate_foundation
from aioice.ice import CandidatePair, StunProtocol
from aiortc import RTCIceCandidate

from ....world import world
from ...ice_gather_options import IceGatherOptions
from ..dtls.datagrams import addresses_of_peer, protect
from .checks import candidates_to_come

logger = logging.getLogger("trio_rtc.rtc")

CONNECT_SECONDS: Final = 10.0
"""How long a connection may take, and then whoever has connected to show that it is the peer."""

MOST_CONNECTIONS: Final = 8
"""Of one agent in each direction: who is told candidates could otherwise be made to knock at many
doors, and who tells them has some connections of strangers."""

MOST_UNSENT: Final = 256 * 1024
"""Bytes that may wait; what is sent then is lost, as it would be with UDP."""

_LONGEST: Final = 65_535
# RFC 6544, section 4.2: below those of UDP, and connecting rather than being connected to.
_TYPE, _ACTIVE, _PASSIVE = 90, 6, 4


def priority(direction: int) -> int:
    """Of a host candidate over TCP (RFC 6544, section 4.2)."""
    return (_TYPE << 24) + (((direction << 13) + 8191) << 8) + 255


class _TcpCandidate(Candidate):
    """One of ours, whose pairs are made when there is a connection, and not by aioice."""

    def can_pair_with(self, other: Candidate) -> bool:
        return False


def _candidate(address: str, port: int, tcp_type: str, direction: int) -> Candidate:
    return _TcpCandidate(
        foundation=candidate_foundation("host", "tcp", address),
        component=1,
        transport="tcp",
        priority=priority(direction),
        host=address,
        port=port,
        type="host",
        tcptype=tcp_type,
    )


class FramedTransport(asyncio.Protocol):
    """A TCP connection that looks like a socket of UDP to an agent.

    Args:
        agent: whose it is.
        local: our candidate; None: an active one, of the address that it is from.
    """

    def __init__(self, agent: Any, local: Candidate | None):
        self.stun = StunProtocol(agent)
        self.peer: tuple[str, int] = ("", 0)
        self._agent = agent
        self._local = local
        self._received = bytearray()
        self._is_closing = False
        self._transport: asyncio.Transport

    # As asyncio sees it.

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        address: str = transport.get_extra_info("sockname")[0]
        self.peer = transport.get_extra_info("peername")[:2]
        self.stun.local_candidate = self._local or _candidate(address, 9, "active", _ACTIVE)
        self.stun.connection_made(self)  # type: ignore[arg-type]
        self._agent._protocols.append(self.stun)
        protect(self._agent)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= 2 and not self._is_closing:
            length = int.from_bytes(self._received[:2])
            if len(self._received) < 2 + length:
                return
            packet = bytes(self._received[2 : 2 + length])
            del self._received[: 2 + length]
            self.stun.datagram_received(packet, self.peer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        if not self._agent._closing and self.stun in self._agent._protocols:
            self._agent._protocols.remove(self.stun)
        self.stun.connection_lost(exc)

    # As the agent sees it.

    def sendto(self, data: bytes, addr: Any = None) -> None:
        unsent = self._transport.get_write_buffer_size()
        if not self._is_closing and len(data) <= _LONGEST and unsent <= MOST_UNSENT:
            self._transport.write(len(data).to_bytes(2) + data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        # It is no socket whose datagrams could be read, or kept from being fragmented.
        return default if name == "socket" else self._transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True
        self._transport.close()

    def abort(self) -> None:
        self.close()


class PassiveCandidate:
    """A passive candidate of an agent's, and those who connect to it.

    Attributes:
        candidate: as aioice has it.
    """

    def __init__(self, agent: Any, address: str, port: int):
        self.candidate = _candidate(address, port, "passive", _PASSIVE)
        self._agent = agent
        self._open: set[FramedTransport] = set()

    def accept(self) -> FramedTransport | None:
        """The protocol of a connection that has come; None if there are too many."""
        self._open = {connection for connection in self._open if not connection.is_closing()}
        if len(self._open) >= MOST_CONNECTIONS:
            return None
        connection = FramedTransport(self._agent, self.candidate)
        self._open.add(connection)
        asyncio.get_running_loop().call_later(CONNECT_SECONDS, self._look, connection)
        return connection

    def _look(self, connection: FramedTransport) -> None:
        """Close the connection of a stranger."""
        is_known = connection.peer in addresses_of_peer(self._agent)
        if not connection.is_closing() and not is_known:
            connection.close()


async def listen(agent: Any, address: str, options: IceGatherOptions) -> Candidate | None:
    """A passive candidate at an address of this machine; None if there can be none."""
    for port in options.ports(world().uniform):
        try:
            return await _Listener(agent).open(address, port)
        except OSError as error:
            logger.debug("cannot listen at %s: %s", address, error)
    return None


class _Listener:
    """A port of one agent's."""

    _server: asyncio.Server
    _passive: PassiveCandidate

    def __init__(self, agent: Any):
        self._agent = agent
        self._close_agent = agent.close

    async def open(self, address: str, port: int) -> Candidate:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, address, port)
        host, bound = self._server.sockets[0].getsockname()[:2]
        self._passive = PassiveCandidate(self._agent, host.partition("%")[0], bound)
        self._agent.close = self._close
        return self._passive.candidate

    def _accept(self) -> asyncio.Protocol:
        return self._passive.accept() or _Refusal()

    async def _close(self) -> None:
        self._server.close()
        await self._close_agent()


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        transport.abort()


class ActiveConnections:
    """Connects to the passive candidates of the other side.

    Args:
        hurry: is called when there is a pair to be checked.
    """

    def __init__(self, hurry: Callable[[], None]):
        self._hurry = hurry
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, agent: Any, told: RTCIceCandidate) -> None:
        """Connect to a candidate that an agent has just been told."""
        # A name that hides an address may not have been found.
        remote = next(
            (
                known
                for known in agent._remote_candidates
                if (known.transport.lower(), known.host, known.port) == ("tcp", told.ip, told.port)
            ),
            None,
        )
        if remote is not None and len(self._tasks) < MOST_CONNECTIONS:
            task = asyncio.get_running_loop().create_task(self._connect(agent, remote))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, agent: Any, remote: Candidate) -> None:
        with candidates_to_come(agent):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, connection = await asyncio.get_running_loop().create_connection(
                        lambda: FramedTransport(agent, None), remote._network_host, remote.port
                    )
            except (OSError, TimeoutError) as error:
                logger.debug("no connection to %s port %d: %s", remote.host, remote.port, error)
                return
            if agent._closing:
                connection.close()
                return
            pair: Any = CandidatePair(connection.stun, remote)
            pair.state = CandidatePair.State.WAITING
            agent._check_list.append(pair)
            agent.sort_check_list()
            self._hurry()
