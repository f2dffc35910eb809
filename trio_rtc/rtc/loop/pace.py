"""The pace of frames that a program makes: that of their times, on a clock of ours.

A program may make them quicker than they are to be seen or heard, as one that turns text into
speech does; whoever receives a minute of sound within a second throws nearly all of it away. And it
may pause, or take too long: then the rest is not to come all at once.
"""

from __future__ import annotations

from typing import Final

LAG: Final = 0.2
"""Seconds that frames may be late, and are still to catch up."""

LONGEST: Final = 60.0
"""Seconds between frames; a longer wait is a clock that has leapt."""


class Pace:
    """Tells when frames are due. All times are in seconds."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._last = 0.0

    def time(self, now: float) -> float:
        """The time that a frame of now has."""
        return 0.0 if self._began is None else now - self._began

    def wait(self, time: float, now: float) -> float:
        """How long a frame of this time is still to wait; 0 if it is due, or late."""
        if self._began is None or not -LAG <= time - self.time(now) <= LONGEST or time < self._last:
            self._began = now - time
        self._last = time
        return max(time - self.time(now), 0.0)
