"""Deadline queue: what is due at a moment of its own, without a look at what is not. No I/O."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Things that each have a deadline, on whichever clock."""

    def __init__(self) -> None:
        self._deadlines: dict[T, float] = {}
        # Deadlines that were moved stay here until they are reached, or are too many.
        self._heap: list[tuple[float, int, T]] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._deadlines)

    def set(self, thing: T, deadline: float) -> None:
        """Give a thing a deadline, instead of any other; ``inf`` is none."""
        if deadline == math.inf:
            self.end(thing)
            return
        self._deadlines[thing] = deadline
        heapq.heappush(self._heap, (deadline, next(self._count), thing))
        if len(self._heap) > 2 * len(self._deadlines) + 64:
            self._heap = [entry for entry in self._heap if self._is_valid(entry)]
            heapq.heapify(self._heap)

    def end(self, thing: T) -> None:
        """Let it have no deadline, if it has one."""
        self._deadlines.pop(thing, None)

    def get(self, thing: T) -> float:
        """The deadline of a thing; ``inf`` if it has none."""
        return self._deadlines.get(thing, math.inf)

    @property
    def next(self) -> float:
        """The first deadline that is still to be reached; ``inf`` if there is none."""
        while self._heap and not self._is_valid(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> Iterator[T]:
        """Those whose deadline is reached, each of them once. They have none any more."""
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._is_valid(entry):
                del self._deadlines[entry[2]]
                yield entry[2]

    def _is_valid(self, entry: tuple[float, int, T]) -> bool:
        return self._deadlines.get(entry[2]) == entry[0]
