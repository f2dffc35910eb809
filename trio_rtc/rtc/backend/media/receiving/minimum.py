"""Windowed minimum: the lowest of the values that came lately."""

from __future__ import annotations

import math


class RecentMinimum:
    """The minimum over the last one to two windows, of which the first lasts while nothing comes.

    Args:
        window: seconds.
    """

    def __init__(self, window: float):
        self._window = window
        self._ends = -math.inf
        self._before = self._now = math.inf

    def add(self, value: float, now: float) -> None:
        if now >= self._ends:
            self._before, self._now, self._ends = self._now, math.inf, now + self._window
        self._now = min(self._now, value)

    def shift(self, difference: float) -> None:
        """What came until now counts as if it had been higher by this, as what comes now is."""
        self._before += difference
        self._now += difference

    @property
    def value(self) -> float:
        return min(self._before, self._now)
