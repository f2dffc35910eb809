"""Cooperative scheduling: work that is too much for one turn is done in steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NoReturn, TypeAlias, TypeVar

import trio

from ..hub.flush_batches import FlushBatch

T = TypeVar("T")

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
