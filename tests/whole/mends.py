"""Mends of the past, each with what undoes it, so that seeds can be seen to notice.

What a seed does is another thing after each change of a protocol. So a mend names the plans that
reach it, and the seed that was the first to notice when it was last looked for.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import trio

from trio_rtc.calls.ice_restarter import IceRestarter
from trio_rtc.calls.lifecycle import TRANSITIONS, CallEvent, CallState, Lifecycle, Transition
from trio_rtc.calls.negotiation import Negotiation
from trio_rtc.rtc.backend.dtls.flights import Flights
from trio_rtc.rtc.backend.ice import checks, trickle
from trio_rtc.rtc.backend.ice.checks import Checks
from trio_rtc.rtc.backend.ice.consent import ConsentFreshness
from trio_rtc.rtc.backend.ice.restartable import RestartableIceTransport
from trio_rtc.signaling.client_session import ClientSession

from .plans import Disturbance, Plan


class Mend(NamedTuple):
    """A mend, undone by putting other functions in the places of some.

    Attributes:
        what: what is so since.
        undone: of what, the name or key of what is another without the mend, and what that is.
        reached: whether a plan may reach it.
        says: of the failure.
        seed: which has noticed.
    """

    what: str
    undone: Sequence[tuple[Any, Any, Any]]
    reached: Callable[[Plan], bool]
    says: str
    seed: int = 0


def _is_one(plan: Plan) -> bool:
    """Whether there is one call, which stands for a while and is not cancelled."""
    call = plan.calls[0]
    return len(plan.calls) == 1 and call.ending in ("hang up", "leave") and plan.is_easy


def _while_it_stands(*kinds: Disturbance) -> Callable[[Plan], bool]:
    """Whether one of these, and nothing else, happens in the only call that there is."""

    def reached(plan: Plan) -> bool:
        call = plan.calls[0]
        return (
            _is_one(plan)
            and plan.happens(*kinds)
            and plan.disturbances[0].party in (call.caller, call.callee)
            and call.at + 2 < plan.disturbances[0].at < call.at + call.lasts
        )

    return reached


def _while_notes_are_sent(plan: Plan) -> bool:
    """Whether somebody who sends or reads them has to go on with a session meanwhile."""
    return any(
        note.at + 1 < each.at < note.at + note.count * note.pause
        and each.party in (note.sender, note.receiver)
        and each.kind in ("unplug", "move", "leave")
        for note in plan.notes
        for each in plan.disturbances
    )


def _has(*kinds: str) -> Callable[[Plan], bool]:
    return lambda plan: any(each.kind in kinds for each in plan.disturbances)


def _ends(*endings: str) -> Callable[[Plan], bool]:
    return lambda plan: any(call.ending in endings for call in plan.calls)


async def _close_one_by_one(self: Any) -> None:
    if self._improving is not None:
        self._improving.cancel()
        await asyncio.wait([self._improving])
    try:
        await self._close()
    finally:
        for protocol in self._agent._protocols:
            checks.socket_of(protocol).close()


def _never_sent_again(self: Any, now: float) -> None:
    self._due = math.inf


async def _forget(self: Any) -> None:
    if self._next is not None:
        self._next = None
        self.transport.iceGatherer._connection = self._agent
        self._on_change()


async def _find_nothing(self: Any) -> bool:
    await trio.sleep(1)
    return False


async def _sleep(self: Any) -> None:
    await trio.sleep_forever()


_go_on = ClientSession._go_on


def _go_on_with_nothing(self: Any) -> None:
    _go_on(self)
    self.to_send.clear()


MENDS = [
    Mend(
        what="no socket is left where a TURN server does not answer when a call ends",
        undone=[(trickle, "close_with_sockets", lambda agent: None)],
        reached=_has("silent turn"),
        says="has connections",
        seed=32,
    ),
    Mend(
        what="nor of a call that nobody has answered",
        undone=[
            (trickle, "close_with_sockets", lambda agent: None),
            (Checks, "_close_all", _close_one_by_one),
        ],
        reached=lambda plan: all(
            (_has("silent turn")(plan), _has("unplug")(plan), _ends("give up")(plan))
        ),
        says="has connections",
        seed=65,
    ),
    Mend(
        what="a flight of DTLS that is lost is sent again",
        undone=[(Flights, "expired", _never_sent_again)],
        reached=lambda plan: (
            _is_one(plan) and plan.is_quiet and all(link.loss > 0.04 for link, _ in plan.parties)
        ),
        says="did not come about",
        seed=12,
    ),
    Mend(
        what="whoever ends a call says so",
        undone=[(Lifecycle, "owes_hang_up", property(lambda _: False))],
        reached=lambda plan: _is_one(plan) and plan.is_quiet,
        says="do not agree",
        seed=2,
    ),
    Mend(
        what="an agent that was to replace another is closed when it is given up",
        undone=[(RestartableIceTransport, "abandon", _forget)],
        reached=lambda plan: _ends("cancel")(plan) and _has("restart ice")(plan),
        says="sockets left",
        seed=10,
    ),
    Mend(
        what="a session that goes on sends again what was on its way",
        undone=[(ClientSession, "_go_on", _go_on_with_nothing)],
        reached=_while_notes_are_sent,
        says="without a word",
        seed=55,
    ),
    Mend(
        what="of two who call each other at once one gives way",
        undone=[(Negotiation, "_gives_way_to", lambda self, call: False)],
        reached=lambda plan: plan.is_crossing and plan.is_quiet and plan.is_easy,
        says="of two that crossed",
        seed=8,
    ),
    Mend(
        what="ICE is restarted when nothing is heard any more",
        undone=[(IceRestarter, "restart", _find_nothing)],
        reached=_while_it_stands("move", "leave"),
        says="did not outlive",
    ),
    Mend(
        what="calls go on when their server is lost",
        undone=[
            (
                TRANSITIONS[CallState.CONNECTED],
                CallEvent.SERVER_LOST,
                Transition(CallState.ENDED, "connection_lost"),
            )
        ],
        reached=lambda plan: (
            _is_one(plan)
            and plan.happens("restart server", "crash server")
            and plan.calls[0].at + 2 < plan.disturbances[0].at < plan.calls[0].lasts
        ),
        says="did not outlive",
        seed=17,
    ),
    Mend(
        what="who moves looks for a way at once",
        undone=[
            (IceRestarter, "_follow_network", _sleep),
            (ConsentFreshness, "lose", lambda self: None),
        ],
        reached=lambda plan: plan.is_a_move and plan.is_easy,
        says="took",
    ),
]
