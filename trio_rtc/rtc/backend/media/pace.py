"""Frame pacing: frames that a program makes go out at their times, on a clock of ours.

A program may make them quicker than they are to be seen or heard, as one that turns text into
speech does; whoever receives a minute of sound within a second throws nearly all of it away. And it
may pause, or take too long: then the rest is not to come all at once.
"""

from __future__ import annotations

from typing import Final

LAG: Final = 0.2
"""Seconds that frames may be late, and are still to catch up."""

ROUNDING: Final = 0.005
"""Seconds that clocks and times may be off."""

LONGEST: Final = 60.0
"""Seconds between frames; a longer wait is a clock that has leapt."""


class FramePacer:
    """Tells when frames are due. All times are in seconds."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._last = 0.0
        #: Between the last two frames; 0 if there were none.
        self._step = 0.0
        self._has_last = False

    def time(self, now: float) -> float:
        """The time that a frame of now has."""
        return 0.0 if self._began is None else now - self._began

    def wait(self, time: float, now: float, *, was_awaited: bool = False) -> float:
        """How long a frame of this time is still to wait; 0 if it is due, or late.

        Args:
            time: that of the frame.
            now: when it was given.
            was_awaited: whether it was asked for before, and not there.
        """
        early = time - self.time(now)
        # A program that is quick has the next frame ready, or is early by less than a frame. One
        # with a clock of its own, as a camera, would be late for ever after one late frame.
        step = time - self._last
        is_live = was_awaited and early > (self._step or step) + ROUNDING
        if self._began is None or is_live or not -LAG <= early <= LONGEST or time < self._last:
            self._began = now - time
        self._step = step if self._has_last else 0.0
        self._has_last = True
        self._last = time
        return max(time - self.time(now), 0.0)
