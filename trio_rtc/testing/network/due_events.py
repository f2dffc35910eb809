"""Event queue of a simulated network: by time, and at one time as it was asked for."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import NoReturn

import trio


class Event:
    """Something that is to be done at a time.

    Attributes:
        time: when, in seconds of Trio's clock.
    """

    __slots__ = ("_fn", "_number", "time")

    def __init__(self, time: float, number: int, fn: Callable[[], object]):
        self.time = time
        self._number = number
        self._fn: Callable[[], object] | None = fn

    def __lt__(self, other: Event) -> bool:
        return (self.time, self._number) < (other.time, other._number)

    def cancel(self) -> None:
        """Have it not be done."""
        self._fn = None

    def do(self) -> None:
        if self._fn is not None:
            fn, self._fn = self._fn, None
            fn()


class DueEvents:
    """Does things when it is time for them, in a task of Trio."""

    def __init__(self) -> None:
        self._heap: list[Event] = []
        self._count = 0
        self._pause: trio.CancelScope | None = None

    def now(self) -> float:
        """The time."""
        return trio.current_time()

    def at(self, time: float, fn: Callable[[], object]) -> Event:
        """Have something done at a time; never at once."""
        self._count += 1
        event = Event(time, self._count, fn)
        heapq.heappush(self._heap, event)
        if self._pause is not None and time < self._pause.deadline:
            self._pause.deadline = time
        return event

    def after(self, seconds: float, fn: Callable[[], object]) -> Event:
        """Have something done in so many seconds."""
        return self.at(trio.current_time() + seconds, fn)

    async def run(self) -> NoReturn:
        while True:
            await self._wait(self._heap[0].time if self._heap else math.inf)
            # What comes to be due now waits for its turn: others are to see what has happened.
            now, turn = trio.current_time(), self._count
            while self._heap and self._heap[0].time <= now and self._heap[0]._number <= turn:
                heapq.heappop(self._heap).do()

    async def _wait(self, until: float) -> None:
        """Wait for this time, or for that of what is to be done earlier."""
        with trio.CancelScope(deadline=until) as self._pause:
            task = trio.lowlevel.current_task()

            def abort(_: object) -> trio.lowlevel.Abort:
                # That it is time is nothing exceptional, and an exception takes longer than the
                # rest.
                trio.lowlevel.reschedule(task)
                return trio.lowlevel.Abort.FAILED

            await trio.lowlevel.wait_task_rescheduled(abort)
        self._pause = None
        await trio.lowlevel.checkpoint_if_cancelled()
