"""Recording timeline: frames at their own times, as far as the clock on the wall agrees.

The times of tracks that one clock has made are in sync with each other, whenever they arrive. But
a clock may be set, or begin again, and its time then leaps. What arrived a moment after another
frame was not made an hour after it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

EARLY: Final = 0.5
"""Seconds that a frame may come sooner than its time says, if the first one was late."""

LATE: Final = 2.0
"""Seconds that a frame may be under way, in a network that stands still for a while."""

BACK: Final = 0.1
"""Seconds that times may go back from one frame of a track to the next."""

KEPT: Final = 8
"""Leaps of a clock that are remembered, for its other tracks to take alike."""


class Timeline:
    """What is known of the clock that has made the times of some tracks."""

    def __init__(self) -> None:
        self._offsets: deque[float] = deque(maxlen=KEPT)

    def offset(self, time: float, arrival: float) -> float:
        """What to add to times such as this one, to have them on the clock of arrivals."""
        for offset in reversed(self._offsets):
            if abs(arrival - time - offset) <= EARLY:
                return offset
        self._offsets.append(arrival - time)
        return arrival - time


class Placement:
    """Places the frames of one track."""

    def __init__(self, timeline: Timeline):
        self._timeline = timeline
        self._offset: float | None = None
        self._last = 0.0

    def place(self, time: float | None, arrival: float) -> float:
        """When a frame was made, on the clock of arrivals; all are in seconds."""
        if time is None:
            return arrival
        if (
            self._offset is None
            or not -EARLY <= arrival - time - self._offset <= LATE
            or time < self._last - BACK
        ):
            self._offset = self._timeline.offset(time, arrival)
        self._last = time
        return time + self._offset
