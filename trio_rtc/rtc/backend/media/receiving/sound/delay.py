"""Adaptive playout delay: how long a packet is kept so that those behind it can still come.

It is measured from the fastest packets of late, and follows the jitter: on a quiet network it is
`QUIET`. A packet that is lost says nothing about it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Final

from ..minimum import RecentMinimum

QUIET: Final = 0.020
"""Seconds: one packet, so that the next one is there when one is missing."""

LONGEST: Final = 1.0
"""Seconds, however late packets come. Over 0.2 s it takes more than one in `PACKETS` that is."""

PACKETS: Final = 100
"""How many are looked back on: 2 s of sound."""

LATE: Final = 3
"""How many of these may come later than the delay."""

MARGIN: Final = 0.002
"""Seconds, for what this machine adds."""

FASTEST_SECONDS: Final = 2.0


class PlayoutDelay:
    """When each packet of a track is due. All times are in seconds."""

    def __init__(self) -> None:
        self._fastest = RecentMinimum(FASTEST_SECONDS)
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def observe(self, time: float, now: float) -> None:
        """Take note of a packet that has come.

        Args:
            time: that of its media.
            now: when it came.
        """
        self._fastest.add(now - time, now)
        lateness = now - time - self._fastest.value
        self._recent.append(lateness)
        insort(self._sorted, lateness)
        if len(self._recent) > PACKETS:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]

    @property
    def target(self) -> float:
        """Seconds that the fastest packets are kept."""
        if len(self._sorted) <= LATE:
            return QUIET
        return min(max(self._sorted[-1 - LATE] + MARGIN, QUIET), LONGEST)

    def due(self, time: float) -> float:
        """When media of this time are to be played."""
        return time + self._fastest.value + self.target
