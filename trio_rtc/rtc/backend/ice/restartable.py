"""Restartable ICE transport: ICE agents that replace each other (RFC 8445, section 9).

aiortc 1.16 has one ICE agent per transport, for good. Here a transport gets another with new
credentials while DTLS, and all that runs over it, goes on. What this needs of aiortc and aioice
that is not public is listed in `ledger`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aioice
from aioice import TransportPolicy
from aioice.stun import TransactionError
from aiortc import RTCIceCandidate, RTCIceParameters, RTCIceTransport
from aiortc.rtcicetransport import candidate_to_aioice

from ..dtls.bursts import BurstSender
from ..dtls.datagrams import quicken
from .checks import MAX_REMOTE_CANDIDATES as MAX_REMOTE_CANDIDATES
from .checks import Checks, socket_of
from .host_addresses import gather_from, gathered, options_of
from .ice_tcp import ActiveConnections
from .mdns import asking, can_resolve

logger = logging.getLogger("trio_rtc.rtc")

OLD_AGENT_SECONDS = 1.0
"""How long packets may still arrive over an agent that has been replaced."""


class RestartableIceTransport:
    """Carries the packets of one `RTCIceTransport`.

    Args:
        on_change: is called when a restart begins and when it ends.

    Attributes:
        transport: the one whose packets these are.
        remote: the credentials of the other side; None until a description has told them.
        received: how often anything has come from the other side.
        mapped_address: our address and port as the other side sees them.
    """

    def __init__(self, transport: RTCIceTransport, on_change: Callable[[], None]):
        self.transport = transport
        self._on_change = on_change
        self.remote: RTCIceParameters | None = None
        self.received = 0
        self.mapped_address: tuple[str, int] | None = None
        self._agent: aioice.Connection = transport._connection
        self._next: aioice.Connection | None = None
        self._gathering: asyncio.Future[None] | None = None
        self._has_stood = False
        self._quick: object = None
        self._bursts: BurstSender | None = None
        self._questions: dict[asyncio.Task[float | None], None] = {}
        self._is_closing = False
        self._active = ActiveConnections(self.hurry)
        self._packets = _Packets(self)
        self._checks = Checks(self._agent)
        self._agent._queue = self._packets  # type: ignore[assignment]
        transport._recv = self._receive
        transport._send = self._send
        transport.bursts = self  # type: ignore[attr-defined]
        transport.addRemoteCandidate = self._add_remote_candidate  # type: ignore[method-assign]

    @property
    def is_restarting(self) -> bool:
        """Whether there is an agent that is to replace the present one."""
        return self._next is not None

    async def _receive(self) -> bytes:
        # Whoever waits here when the connection is closed is cancelled.
        return await self._packets.get()

    async def _send(self, data: bytes) -> None:
        pair = self._agent._nominated.get(1)
        if pair is not None:
            if pair.protocol is not self._quick:
                self._quick = pair.protocol
                quicken(pair.protocol)
                self._bursts = BurstSender(pair.protocol.transport)
            self._has_stood = True
            await pair.protocol.send_data(data, pair.remote_addr)
        elif not self._has_stood:
            raise ConnectionError("there is no pair of candidates yet")
        # In an interruption a packet is lost, as on any network.

    async def send_together(self, datagrams: Sequence[bytes]) -> None:
        """Send several datagrams, in as few system calls as can be."""
        pair, bursts = self._agent._nominated.get(1), self._bursts
        is_quick = bursts is not None and bursts.is_possible
        if pair is None or bursts is None or not is_quick or pair.protocol is not self._quick:
            for datagram in datagrams:
                await self._send(datagram)
        else:
            bursts.send(datagrams, pair.remote_addr)

    def take(self, first: int) -> bytes | None:
        """The next packet that has come, if there is one, and it begins with this byte."""
        return self._packets.take(first)

    def hurry(self) -> None:
        """Check at once what a new candidate of the other side makes possible."""
        self._checks.hurry()

    def selected_pair(self) -> Any | None:
        """The pair of candidates in use, as aioice's CandidatePair."""
        return self._agent._nominated.get(1)

    def route(self) -> tuple[str, str] | None:
        """The address of ours that packets leave from, and that of the next who takes them.

        The latter is the TURN server's where the pair has a relay of ours.
        """
        pair = self.selected_pair()
        if pair is None:
            return None
        way = socket_of(pair.protocol)
        own = way.get_extra_info("sockname")
        to = way.get_extra_info("peername") or pair.remote_addr
        return own[0].partition("%")[0], to[0].partition("%")[0]

    def gathered_addresses(self) -> list[str]:
        """Those of this machine when the agent in use gathered."""
        return gathered(self._agent)

    def local_candidates(self) -> list[Any]:
        """Those of the agent in use, as aioice's Candidate."""
        return self._agent.local_candidates

    async def check(self) -> float | None:
        """Ask the other side for a sign of life: a binding request on the pair in use.

        Returns:
            how long the answer took, in seconds; None if there was none.
        """
        if self._is_closing:
            return None
        question = asyncio.ensure_future(self._ask())
        self._questions[question] = None
        question.add_done_callback(self._questions.pop)
        try:
            await asyncio.wait([question])
        finally:
            question.cancel()
        return None if question.cancelled() else question.result()

    async def _ask(self) -> float | None:
        agent, pair = self._agent, self.selected_pair()
        if pair is None:
            return None
        request = agent.build_request(pair, nominate=False)
        started = asyncio.get_running_loop().time()
        try:
            response, _ = await pair.protocol.request(
                request,
                pair.remote_addr,
                integrity_key=(agent.remote_password or "").encode(),
                retransmissions=1,
            )
        except TransactionError as error:
            logger.debug("no sign of life: %s", error)
            return None
        self.received += 1
        self.mapped_address = response.attributes.get("XOR-MAPPED-ADDRESS")
        return asyncio.get_running_loop().time() - started

    @property
    def _described_agent(self) -> aioice.Connection:
        """The one that the other side's latest description is about.

        One that waits for its answer is not meant yet.
        """
        if self._next is not None and self._next.remote_username is not None:
            return self._next
        return self._agent

    def is_meant(self, generation: str | None) -> bool:
        """Whether what is said of this generation is about the agent that it would reach.

        That may be the one of a description which is being applied.
        """
        known = self._described_agent.remote_username
        return generation is None or known is None or generation == known

    def takes(self, candidate: RTCIceCandidate) -> bool:
        """Whether a candidate of the other side is of use, and there is room for it."""
        agent = self._described_agent
        # Names that are being looked up count as well.
        there = len(agent._remote_candidates) + agent._remote_candidates_resolving
        return (
            candidate.component == 1
            and self._can_use(candidate, agent)
            and not agent._remote_candidates_end
            and there < MAX_REMOTE_CANDIDATES
        )

    def _can_use(self, candidate: RTCIceCandidate, agent: aioice.Connection) -> bool:
        if candidate.protocol.lower() == "udp":
            return True
        return (
            (candidate.protocol.lower(), candidate.tcpType) == ("tcp", "passive")
            and options_of(agent).tcp
            and agent._transport_policy == TransportPolicy.ALL
        )

    async def _add_remote_candidate(self, candidate: RTCIceCandidate | None) -> None:
        # As aiortc does it, but for the agent that is meant.
        agent = self._described_agent
        if agent._remote_candidates_end:
            return
        if candidate is None:
            await agent.add_remote_candidate(None)
        elif can_resolve(candidate.ip):
            async with asking(agent, candidate.ip):
                await agent.add_remote_candidate(candidate_to_aioice(candidate))
            if candidate.protocol.lower() == "tcp":
                self._active.start(agent, candidate)

    async def restart(self) -> None:
        """Make an agent with new credentials, and bind its host addresses."""
        await self.abandon()
        if self._is_closing:
            # Nobody would close what is made now.
            return
        present = self._agent
        agent = aioice.Connection(
            ice_controlling=present.ice_controlling, transport_policy=present._transport_policy
        )
        agent._queue = self._packets  # type: ignore[assignment]
        gather_from(agent, options_of(present))
        self._checks = Checks(agent)
        self._next = agent
        # Our descriptions, and candidates, are about this one from here on.
        self.transport.iceGatherer._connection = agent
        self._on_change()
        self._gathering = asyncio.ensure_future(agent.gather_candidates())
        await _to_the_end(self._gathering)

    def expect(self, remote: RTCIceParameters) -> None:
        """From now on, candidates are for the new agent, whose counterpart this is."""
        agent = self._next
        assert agent is not None
        agent.remote_is_lite = remote.iceLite
        agent.remote_username = remote.usernameFragment
        agent.remote_password = remote.password

    async def connect(self) -> None:
        """Run the checks of the new agent; it takes over when it has a pair."""
        agent = self._next
        assert agent is not None
        try:
            await agent.connect()
        except ConnectionError as error:
            logger.info("an ICE restart has failed: %s", error)
            if self._next is agent:
                await self.abandon()
            return
        if self._next is not agent:
            # It was given up at the moment at which it found a pair.
            return
        replaced, self._agent, self._next = self._agent, agent, None
        self.transport._connection = agent
        self.received += 1
        await self._follow(agent)
        self._on_change()
        try:
            # What the other side sent before it knew is still on its way over this one.
            await asyncio.sleep(OLD_AGENT_SECONDS)
        finally:
            await _to_the_end(replaced.close())

    async def _follow(self, agent: aioice.Connection) -> None:
        """Have aiortc take the state of this agent for that of the transport."""
        transport: Any = self.transport
        monitor = transport._RTCIceTransport__monitor_task
        monitor.cancel()
        await asyncio.wait([monitor])
        transport._RTCIceTransport__monitor_task = asyncio.ensure_future(transport._monitor())
        transport._RTCIceTransport__setState("completed")

    async def abandon(self) -> None:
        """Keep the present agent; the one that was to replace it is given up."""
        if self._next is not None:
            agent, self._next = self._next, None
            self.transport.iceGatherer._connection = self._agent
            self._on_change()
            await _to_the_end(self._close_unused(agent, self._gathering))

    async def _close_unused(
        self, agent: aioice.Connection, gathering: asyncio.Future[None] | None
    ) -> None:
        if gathering is not None and not gathering.done():
            # What it binds after it was closed would never be closed.
            await asyncio.wait([gathering])
        await agent.close()

    async def close(self) -> None:
        """Ask nothing more, and look for no other way. The transport closes the agent in use."""
        self._is_closing = True
        for question in self._questions:
            question.cancel()
        if self._questions:
            # aioice would send again over a socket that is closed.
            await asyncio.wait(self._questions)
        await self.abandon()


class _Packets:
    """What arrives, over any agent. The end of one, which is None, does not end it.

    An `asyncio.Queue` for agents, at a third of the time that one takes.
    """

    def __init__(self, path: RestartableIceTransport):
        self._path = path
        self._waiting: deque[bytes] = deque()
        self._came: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def put_nowait(self, item: tuple[bytes, int] | None) -> None:
        # An empty datagram, which anybody can send, would end all: aiortc looks at the first byte.
        if item is not None and item[0]:
            self._path.received += 1
            self._waiting.append(item[0])
            if self._came is not None and not self._came.done():
                self._came.set_result(None)

    def take(self, first: int) -> bytes | None:
        """The next, if it is there, and begins with this byte."""
        waiting = self._waiting
        return waiting.popleft() if waiting and waiting[0][0] == first else None

    async def get(self) -> bytes:
        while not self._waiting:
            if self._loop is None:
                # To look for it each time is a system call.
                self._loop = asyncio.get_running_loop()
            self._came = self._loop.create_future()
            await self._came
        return self._waiting.popleft()


async def _to_the_end(work: Coroutine[Any, Any, None] | asyncio.Future[None]) -> None:
    """Finish what loses sockets when it is cancelled half-way, and takes no time to speak of."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
