"""The pace of frames that a program makes: that of their times, on a clock of ours.

A program may make them quicker than they are to be seen or heard, as one that turns text into
speech does; whoever receives a minute of sound within a second throws nearly all of it away. And it
may pause, or take too long: then the rest is not to come all at once.
"""

from __future__ import annotations

from typing import Final

LAG: Final = 0.2
"""Seconds that frames may be late, and are still to catch up."""

RECOVERED: Final = 0.5
"""Seconds that frames catch up which were later than that: those of a program with a clock of its
own come in time again, and would wait for ever."""

CATCH_UP: Final = 0.5
"""By what part of real time they are quicker meanwhile."""

LONGEST: Final = 60.0
"""Seconds between frames; a longer wait is a clock that has leapt."""


class Pace:
    """Tells when frames are due. All times are in seconds."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._earliest = 0.0
        self._last = 0.0

    def time(self, now: float) -> float:
        """The time that a frame of now has."""
        return 0.0 if self._began is None else now - self._began

    def wait(self, time: float, now: float) -> float:
        """How long a frame of this time is still to wait; 0 if it is due, or late."""
        early = time - self.time(now)
        if self._began is None or early > LONGEST or time < self._last:
            self._began = self._earliest = now - time
        elif early < -LAG:
            self._began = now - time
            self._earliest = max(self._earliest, self._began - RECOVERED)
        elif early > 0:
            sooner = self._began - CATCH_UP * (time - self._last)
            self._began = max(sooner, now - time, self._earliest)
        self._last = time
        return max(time - self.time(now), 0.0)
