"""Connectivity checks without waiting for the next beat (RFC 8445, section 6.1.4).

aioice 0.13 looks at its check list every 20 ms: a new pair waits for that, and so does the end
of all checks. A check that was lost, because the other side was not ready for it, is sent again
after half a second, even if the other side has shown in the meantime that it is there now. And
of several pairs that work each side takes the last one, which need not be the same. It looks for
nothing better than the first pair that works, which may be that of a relay because a packet was
lost on the direct way; here checks go on until there is none (RFC 8445, section 8.1.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import aioice
from aioice.ice import ICE_COMPLETED, ICE_FAILED, CandidatePair
from aioice.stun import RETRY_RTO, TransactionError
from aioice.turn import TurnTransport
from aiortc import RTCIceTransport

PACE = 0.02
"""Seconds between two checks, so that many pairs do not flood the network."""

AGAIN_AFTER = 0.1
"""Seconds after which a check that is under way may be sent again because of one that came."""

RELEASE_SECONDS = 1.0
"""How long a TURN server may take to end an allocation; in that time it is asked twice."""

MAX_REMOTE_CANDIDATES = 128
"""Of the other side, for one agent, those included that its checks come from; RFC 8445, section
6.1.2.5, has 100 pairs for a usual limit.

The time that aioice needs grows with the square of their number.
"""


class Checks:
    """Runs the checks of an ICE agent, in place of its own ``connect``."""

    def __init__(self, agent: aioice.Connection):
        self._agent: Any = agent
        self._check_incoming = agent.check_incoming
        self._check_complete = agent.check_complete
        self._build_request = agent.build_request
        self._close = agent.close
        self._improving: asyncio.Future[None] | None = None
        self._verifying: asyncio.Future[None] | None = None
        self._install()

    def _install(self) -> None:
        self._agent.connect = self.connect
        self._agent.check_incoming = self._handle_incoming
        self._agent.check_complete = self._handle_complete
        self._agent.build_request = self._build
        self._agent.close = self._close_all

    async def connect(self) -> None:
        """Find a pair that works.

        Raises:
            ConnectionError: there is none.
        """
        agent = self._agent
        if not agent._local_candidates_end or agent.remote_password is None:
            raise ConnectionError("an ICE agent needs both sides' credentials and candidates")
        for candidate in agent._remote_candidates:
            agent._pair_remote_candidate(candidate)
        agent.sort_check_list()
        agent._unfreeze_initial()
        for early_check in agent._early_checks:
            agent.check_incoming(*early_check)
        agent._early_checks.clear()
        agent._early_checks_done = True
        pacing = asyncio.ensure_future(self._pace())
        try:
            result = await agent._check_list_state.get()
        finally:
            pacing.cancel()
        self._stop_checking()
        if result != ICE_COMPLETED:
            raise ConnectionError("no pair of candidates works")
        self._improve()
        agent._query_consent_task = asyncio.ensure_future(agent.query_consent())

    async def _pace(self) -> None:
        agent = self._agent
        while agent._check_periodic():  # noqa: ASYNC110  # It is a pace.
            await asyncio.sleep(PACE)
        if not agent._check_list and not agent._check_list_done:
            agent._check_list_state.put_nowait(ICE_FAILED)
            agent._check_list_done = True

    async def _close_all(self) -> None:
        if self._improving is not None:
            self._improving.cancel()
            await asyncio.wait([self._improving])
        if self._verifying is not None:
            self._verifying.cancel()
            await asyncio.wait([self._verifying])
        await self._close()

    def _stop_checking(self) -> None:
        """Cancel what is under way, unless it may find a better pair than the one in use."""
        selected = list(self._agent._nominated.values())
        is_better = bool(selected)
        for pair in self._agent._check_list:
            is_better = is_better and pair not in selected
            if pair.task is not None and not is_better:
                pair.task.cancel()

    def hurry(self) -> None:
        """Begin the check of a pair that has just come to be.

        One check for one candidate, which each takes a message to arrive, stays within what the
        pacing is for (RFC 8445, section 14).
        """
        if not self._agent._early_checks_done:
            return
        if self._agent._check_list_done:
            self._improve()
        else:
            self._agent._check_periodic()

    def _better(self) -> list[Any]:
        """The pairs not checked yet that would do without the relay of the one in use."""
        selected = self._agent._nominated.get(1)
        if selected is None or not _is_second_best(selected) or self._agent._closing:
            return []
        unchecked = (CandidatePair.State.WAITING, CandidatePair.State.FROZEN)
        return [
            pair
            for pair in self._agent._check_list
            if pair.state in unchecked and pair.task is None and not _is_second_best(pair)
        ]

    def _improve(self) -> None:
        """Check them, at the pace of all checks."""
        if self._improving is None or self._improving.done():
            self._improving = asyncio.ensure_future(self._check_better())

    async def _check_better(self) -> None:
        while better := self._better():
            self._agent.check_start_task(better[0])
            await asyncio.sleep(PACE)

    def _handle_incoming(self, message: Any, address: tuple[str, int], protocol: Any) -> None:
        if "PRIORITY" not in message.attributes:
            # It must be there (RFC 8445, section 7.1.1), and aioice takes it for granted.
            return
        if not self._takes_from(address):
            return
        self._check_incoming(message, address, protocol)
        # RFC 8445, section 7.3.1.4: where a check of ours is under way, it is sent again now.
        # With the same transaction, so that an answer to the first one counts as well. Not at once
        # again: where no answer counts, each side would ask for what the other has just asked.
        now = asyncio.get_running_loop().time()
        for transaction in protocol.transactions.values():
            if transaction._Transaction__addr == address and now >= getattr(
                transaction, "again_at", now
            ):
                transaction.again_at = now + AGAIN_AFTER
                protocol.send_stun(transaction._Transaction__request, address)

    def _takes_from(self, address: tuple[str, int]) -> bool:
        """Whether a check comes from where one may; a peer has ports enough for 60 000 pairs."""
        known = self._agent._remote_candidates
        return len(known) < MAX_REMOTE_CANDIDATES or any(
            (candidate._network_host, candidate.port) == address[:2] for candidate in known
        )

    def _build(self, pair: Any, nominate: bool) -> Any:
        pair.asked, pair.round_trip = asyncio.get_running_loop().time(), None
        return self._build_request(pair, nominate)

    def _handle_complete(self, pair: Any) -> None:
        agent = self._agent
        pair.answered = asyncio.get_running_loop().time()
        if getattr(pair, "round_trip", None) is None:
            # Where the other side nominates, this is called again then.
            pair.round_trip = pair.answered - pair.asked
        before = list(agent._check_list)
        self._check_complete(pair)
        if _is_second_best(pair):
            # Those that were removed with the others, but are better.
            kept = [p for p in before if p in agent._check_list or not _is_second_best(p)]
            for removed in set(kept).difference(agent._check_list):
                removed.task = None
            agent._check_list[:] = kept
            # To a lite agent one pair is nominated, when it works; a better one comes after it.
            agent._nominating.discard(pair.component)
        self._select()
        self._verify(pair)

    def _select(self) -> None:
        # The list is in the order of priority, which both sides compute alike.
        for candidate in self._agent._check_list:
            if candidate.nominated and candidate.state is CandidatePair.State.SUCCEEDED:
                self._agent._nominated[candidate.component] = candidate
                return

    def _verify(self, pair: Any) -> None:
        """When another pair works, see whether the one in use does so still.

        A router that has forgotten the other side gives it another port, of which its checks tell:
        all that it sends comes, and nothing of ours arrives. A check that was under way when the
        pair in use answered, as at the beginning of a call, tells nothing of the kind.
        """
        selected = self._agent._nominated.get(pair.component)
        if (
            self._agent._check_list_done
            and pair.state is CandidatePair.State.SUCCEEDED
            and selected not in (None, pair)
            and pair.asked > selected.answered
            and (self._verifying is None or self._verifying.done())
        ):
            self._verifying = asyncio.ensure_future(self._replace_if_silent(selected, pair))

    async def _replace_if_silent(self, selected: Any, other: Any) -> None:
        agent = self._agent
        try:
            await selected.protocol.request(
                self._build_request(selected, nominate=False),
                selected.remote_addr,
                integrity_key=agent.remote_password.encode(),
                retransmissions=1,
            )
        except TransactionError:
            if agent._nominated.get(other.component) is selected and not agent._closing:
                # There is no consent to send there any more (RFC 7675, section 5.1).
                selected.state = CandidatePair.State.FAILED
                selected.nominated = False
                other.nominated = True
                agent._nominated[other.component] = other
                self._select()


@contextmanager
def candidates_to_come(agent: Any) -> Iterator[None]:
    """Have a check list without a pair that works not fail while there may be more of them."""
    agent._remote_candidates_resolving += 1
    try:
        yield
    finally:
        agent._remote_candidates_resolving -= 1
        resolving = agent._remote_candidates_resolving
        if agent._remote_candidates_end and not resolving and not agent._closing:
            agent._end_remote_candidates()


def round_trip(transport: RTCIceTransport) -> float | None:
    """How long a check of the pair in use took, in seconds; None if that is not known.

    After the first request it may be any of several that was answered (RFC 6298, section 3).
    """
    pair: Any = transport._connection._nominated.get(1)
    trip: float | None = getattr(pair, "round_trip", None)
    return None if trip is None or trip >= RETRY_RTO else trip


def close_with_sockets(agent: aioice.Connection) -> None:
    """Have an agent that is closed leave no socket, and hold up nobody.

    A TURN server that does not answer is asked for half a minute, and a restart of ICE, or the end
    of a call, would wait for it. What is not given back expires there (RFC 8656, section 3.2).
    """
    patched: Any = agent
    close = agent.close

    async def close_all() -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(RELEASE_SECONDS):
                    await close()
        finally:
            for protocol in agent._protocols:
                # That of a relay asks its server first.
                socket_of(protocol).close()

    patched.close = close_all


def socket_of(protocol: Any) -> Any:
    """The transport of asyncio's that packets leave by: for a relay, the one to its server."""
    transport = protocol.transport
    if isinstance(transport, TurnTransport):
        private: Any = transport
        transport = private._TurnTransport__inner_protocol.transport
    return transport


def _is_second_best(pair: Any) -> bool:
    """Whether it goes over a relay, or TCP, where a lost packet holds up those after it."""
    local, remote = pair.local_candidate, pair.remote_candidate
    return "relay" in (local.type, remote.type) or bool(local.transport == "tcp")
