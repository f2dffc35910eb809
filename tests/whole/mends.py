"""Mends of the past, each with what undoes it again, and a seed that notices."""

from __future__ import annotations

import asyncio
import math
from typing import Any, NamedTuple

from trio_rtc.calls.lifecycle import Lifecycle
from trio_rtc.rtc.backend.dtls.flights import Flights
from trio_rtc.rtc.backend.ice.checks import Checks
from trio_rtc.rtc.backend.ice.restartable import RestartableIceTransport


class Mend(NamedTuple):
    """A mend, undone by putting another function in the place of one.

    Attributes:
        what: what is so since.
        owner: whose function it is.
        name: of the function.
        undone: what is in its place without the mend.
        seed: that notices.
    """

    what: str
    owner: Any
    name: str
    undone: Any
    seed: int


async def _close_one_by_one(checks: Any) -> None:
    if checks._improving is not None:
        checks._improving.cancel()
        await asyncio.wait([checks._improving])
    await checks._close()


def _never_sent_again(flights: Any, now: float) -> None:
    flights._due = math.inf


async def _forget(transport: Any) -> None:
    if transport._next is not None:
        transport._next = None
        transport.transport.iceGatherer._connection = transport._agent
        transport._on_change()


MENDS = [
    Mend(
        what="the sockets of an agent are closed though a server does not answer",
        owner=Checks,
        name="_close_all",
        undone=_close_one_by_one,
        seed=18,
    ),
    Mend(
        what="a flight of DTLS that is lost is sent again",
        owner=Flights,
        name="expired",
        undone=_never_sent_again,
        seed=53,
    ),
    Mend(
        what="whoever ends a call says so",
        owner=Lifecycle,
        name="owes_hang_up",
        undone=property(lambda _: False),
        seed=8,
    ),
    Mend(
        what="an agent that was to replace another is closed when it is given up",
        owner=RestartableIceTransport,
        name="abandon",
        undone=_forget,
        seed=204,
    ),
]
