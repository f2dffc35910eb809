"""Shares of a time that is too short for all there is to do: fair queueing. No I/O.

This is start-time fair queueing (Goyal, Vin and Cheng, 1996). Whoever has used the least time since
there has been too much to do is next, and in one who has much to do, what came first. So somebody
who asks for everything waits for its own, and others for one piece of it at the most; if nobody
else wants anything, it has all the time that there is.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class _NetworkShare(Generic[T]):
    """What one of them has to do.

    Attributes:
        used: the time it has used, on the clock that all of them share.
    """

    __slots__ = ("jobs", "used")

    def __init__(self, used: float) -> None:
        self.jobs: deque[T] = deque()
        self.used = used


class Shares(Generic[T]):
    """What waits to be done, and for whom; see `addresses.client_network`."""

    def __init__(self) -> None:
        self._parties: dict[str, _NetworkShare[T]] = {}
        # Those who have something to do, each once, with the time that it had used by then.
        self._heap: list[tuple[float, int, str]] = []
        self._count = itertools.count()
        self._waiting = 0
        # What the one had used who was next last: whoever comes begins with that.
        self._now = 0.0

    def __len__(self) -> int:
        """How much waits."""
        return self._waiting

    @property
    def client_networks(self) -> int:
        """How many are remembered."""
        return len(self._parties)

    def put(self, client_network: str, job: T) -> None:
        """Let something wait."""
        mine = self._parties.get(client_network)
        if mine is None:
            mine = self._parties[client_network] = _NetworkShare(self._now)
        if not mine.jobs:
            mine.used = max(mine.used, self._now)
            heapq.heappush(self._heap, (mine.used, next(self._count), client_network))
        mine.jobs.append(job)
        self._waiting += 1

    def take(self) -> tuple[str, T] | None:
        """What is next, and for whom; None if nothing waits.

        With the last of it, what everybody has used is forgotten: there has been enough.
        """
        while self._heap:
            used, _, client_network = self._heap[0]
            mine = self._parties[client_network]
            if mine.used > used:
                heapq.heapreplace(self._heap, (mine.used, next(self._count), client_network))
                continue
            self._now = used
            job = mine.jobs.popleft()
            self._waiting -= 1
            if mine.jobs:
                heapq.heapreplace(self._heap, (used, next(self._count), client_network))
            else:
                heapq.heappop(self._heap)
            if not self._waiting:
                self._parties.clear()
                self._now = 0.0
            return client_network, job
        return None

    def charge(self, client_network: str, seconds: float) -> None:
        """Count time that somebody has used, while something waits."""
        if self._parties:
            mine = self._parties.get(client_network)
            if mine is None:
                mine = self._parties[client_network] = _NetworkShare(self._now)
            mine.used = max(mine.used, self._now) + seconds
