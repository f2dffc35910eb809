"""Cooperative scheduling: work that is too much for one turn is done in steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NoReturn, TypeAlias, TypeVar

import trio

from .hub.flush_batches import FlushBatch

T = TypeVar("T")

#: Within a turn one comes sooner than that after the other.
_APART_SECONDS: Final = 0.0002

Step: TypeAlias = Callable[[], bool]
"""Does a part of something, of a millisecond or so; tells whether there is more to do."""


class Turn:
    """How many things are done before others come: a millisecond or so of them."""

    def __init__(self, most: int = 64) -> None:
        self._left = most

    @property
    def is_over(self) -> bool:
        """Whether there may be more to do."""
        return self._left <= 0

    def some(self, things: Iterator[T]) -> Iterator[T]:
        """As many of these as may still be done. The others are not even asked for."""
        for thing in islice(things, self._left):
            self._left -= 1
            yield thing


def do_at_once(step: Step) -> None:
    """Do something to its end."""
    while step():
        pass


class Chores:
    """What is to be done in steps. Each of those that are there gets one in each turn."""

    def __init__(self, flush_batch: FlushBatch) -> None:
        self._flush_batch = flush_batch
        self.is_running = False
        self._steps: dict[Step, None] = {}
        self._added = trio.Event()

    def add(self, step: Step) -> None:
        """Have something done; once, however often it is added before that."""
        self._steps[step] = None
        self._added.set()

    async def run(self) -> NoReturn:
        """Do what is added until cancelled."""
        self.is_running = True
        try:
            while True:
                await self._added.wait()
                while self._steps:
                    self._take_steps()
                    await trio.lowlevel.checkpoint()
                self._added = trio.Event()
        finally:
            self.is_running = False

    def _take_steps(self) -> None:
        with self._flush_batch:
            for step in list(self._steps):
                del self._steps[step]
                if step():
                    self._steps[step] = None


class TurnPacer:
    """Lets so many go on in each turn, in the order in which they came, and the others wait."""

    def __init__(self, chores: Chores, most: int = 8) -> None:
        self._chores = chores
        self._most = most
        self._left: float = most
        self._waiting = trio.lowlevel.ParkingLot()

    async def wait(self) -> None:
        """Go on at once, or in one of the next turns."""
        if self._left > 0 or not self._chores.is_running:
            self._left -= 1
        else:
            self._chores.add(self._go_on)
            await self._waiting.park()

    def _go_on(self) -> bool:
        self._left = self._most - len(self._waiting.unpark(count=self._most))
        return bool(self._waiting)

    def stop(self) -> None:
        """Let everybody go on from now on."""
        self._left = math.inf
        self._waiting.unpark_all()


class Entrance:
    """Entered by one after the other: of many who come at once, each has a turn of its own.

    Whoever comes when nobody has been here just now enters at once.
    """

    def __init__(self) -> None:
        self._lock = trio.Lock()
        self._left = -math.inf

    async def __aenter__(self) -> None:
        if not self._lock.locked() and trio.current_time() - self._left > _APART_SECONDS:
            self._lock.acquire_nowait()
        else:
            await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()
        self._left = trio.current_time()
