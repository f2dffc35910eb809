"""What is promised of calls, whatever the network does to them."""

from __future__ import annotations

import gc
from collections.abc import Collection
from itertools import pairwise

import trio

from trio_rtc.rtc.backend.aiortc_connection import LoopConnection
from trio_rtc.testing import Network

from .parties import Outcome, Side
from .plans import Plan

#: What the other side may say where one says this. What is not said is said in the other order.
ALIKE = {
    ("hung_up", "hung_up"),
    ("hung_up", "peer_hung_up"),
    ("connection_lost", "connection_lost"),
    ("superseded", "hung_up"),
    ("superseded", "peer_hung_up"),
}

#: Where the network fails a party, one side may see another part of it.
WITH_TROUBLE = ALIKE | {
    ("hung_up", "connection_lost"),
    ("hung_up", "connection_closed"),
    ("hung_up", "peer_left"),
    ("connection_lost", "connection_closed"),
    ("connection_lost", "peer_left"),
    # It is told by who has lost it.
    ("connection_lost", "peer_hung_up"),
    ("peer_left", "peer_left"),
    ("peer_left", "connection_closed"),
    ("superseded", "connection_lost"),
    ("superseded", "connection_closed"),
    ("superseded", "peer_left"),
}

MOVE_SECONDS, MOVE_TRIPS = 1.0, 5
"""What a move may cost: seconds, and round trips for signaling and ICE."""

#: Ends that nobody has wanted.
LOST = ("connection_lost", "peer_left")

#: Calls of which one side does not say how they end.
CANCELLED = ("cancel", "give up")


def check(plan: Plan, outcome: Outcome) -> None:
    """See whether what came of a run is what is promised."""
    for number, caller in outcome.callers.items():
        callee = outcome.callees.get(number)
        what = f"call {number}: {plan.calls[number]}\ncaller {caller}\ncallee {callee}"
        if callee is not None:
            _check_messages(caller, callee, what)
            _check_messages(callee, caller, what)
            _check_ends(plan, number, caller, callee, what)
        is_alone = plan.is_quiet and len(plan.calls) == 1
        if is_alone and plan.calls[number].ending != "give up" and plan.is_easy:
            assert caller.has_stood, f"it did not come about: {what}"
        if len(plan.calls) == 1 and caller.has_stood and plan.is_bearable and plan.is_easy:
            assert caller.end not in LOST, f"it did not outlive what happened: {what}"
        if plan.is_a_move:
            most = MOVE_SECONDS + MOVE_TRIPS * plan.round_trip
            assert caller.longest < most, f"a move took {caller.longest} s, not {most}: {what}"
    if plan.is_quiet and plan.is_crossing and plan.is_easy:
        stood = [side.has_stood for side in outcome.callers.values()]
        assert any(stood), f"of two that crossed none came about: {outcome.callers}"
    for (sender, reader), notes in outcome.notes.items():
        notes.is_cut = notes.is_cut or not {sender, reader}.isdisjoint(outcome.lost)
        assert not notes.problem(), f"{notes.problem()}, from {sender} to {reader}: {notes}"


def _check_messages(one: Side, other: Side, what: str) -> None:
    """Nothing is lost in the middle, doubled, changed, or put in another order."""
    for label, received in one.received.items():
        sent = other.sent.get(label, other.received.get(label, []))
        assert received == sent[: len(received)], f"{label} came otherwise: {what}"
        if label in other.confirmed and other.sent.get(label):
            assert received == sent, f"{label} lost what was confirmed: {what}"


def _check_ends(plan: Plan, number: int, caller: Side, callee: Side, what: str) -> None:
    if not caller.end or not callee.end:
        # A call that was cancelled ends for its owner without a word; of two that crossed, which
        # are one, it is either's.
        is_cancelled = any(call.ending in CANCELLED for call in plan.calls)
        assert is_cancelled or not plan.is_quiet or caller.problem, what
        return
    pairs = {(caller.end, callee.end), (callee.end, caller.end)}
    allowed = ALIKE if plan.is_quiet and len(plan.calls) == 1 else WITH_TROUBLE
    assert pairs & allowed, f"they do not agree: {what}"
    if "peer_hung_up" in (caller.end, callee.end):
        ends = {"hung_up", "superseded"} | (set() if plan.is_quiet else {"connection_lost"})
        assert ends & {caller.end, callee.end}, f"nobody has hung up: {what}"


def connections() -> list[LoopConnection]:
    """Those that are in memory now."""
    return [each for each in gc.get_objects() if type(each) is LoopConnection]


async def check_nothing_is_left(network: Network, before: Collection[LoopConnection]) -> None:
    """No socket, connection, task or loop outlives those whose it was.

    Those of ``before`` do not count: a failure of another run may hold them.
    """
    # TCP keeps what was closed for a while, as a kernel does.
    await trio.sleep(120)
    for host in network.hosts.values():
        if host.name in ("server", "turn"):
            continue
        assert host.udp == {}, f"{host.name} has sockets left: {list(host.udp)}"
        assert host.connections == {}, f"{host.name} has connections: {list(host.connections)}"
        assert host.listeners == {}, f"{host.name} listens"
    root = trio.lowlevel.current_root_task()
    assert root is not None
    left = [task.name for nursery in root.child_nurseries for task in nursery.child_tasks]
    assert "asyncio loop" not in left
    gc.collect()
    left_over = [each for each in connections() if not any(each is old for old in before)]
    assert not left_over, f"{len(left_over)} connections are left in memory"


def check_times(network: Network) -> None:
    """Time goes one way."""
    assert all(a.time <= b.time for a, b in pairwise(network.record.entries))
