"""Clock drift of a remote clock beside ours: it is followed little by little.

No two clocks go alike; one that is off by 500 ppm is off by a second after 2000. It shows in the
arrival of the fastest packets, which is later and later, or sooner and sooner. The controller has a
proportional and an integral part: once it knows how fast a clock goes it goes on so, also where
nothing comes for a while.
"""

from __future__ import annotations

from typing import Final

from .minimum import RecentMinimum

WINDOW_SECONDS: Final = 5.0
"""The fastest packets of that long stand for the clock; a queue in the network is over sooner."""

STEP_SECONDS: Final = 0.3
"""What is off by more has not drifted there: it was a burst, or there is another way."""

STILL_SECONDS: Final = 0.003
"""What is off by less is left alone."""

PROPORTIONAL: Final = 1 / 15
"""How much of what is off is made up for in a second."""

INTEGRAL: Final = 1 / 2000
"""What is added to the pace in a second for each second that is off."""

FASTEST: Final = 0.002
"""Seconds a second that clocks are followed, and that times are moved, to one side or the other."""


class Drift:
    """Tells how much later media are to be laid, so that they keep up with the time."""

    def __init__(self) -> None:
        self._lateness = RecentMinimum(WINDOW_SECONDS)
        #: How late the fastest packets are where there is no drift, and until when that is learnt.
        self._reference = 0.0
        self._settled = 0.0
        #: Seconds a second that the remote clock is slow.
        self._pace = 0.0
        self._last: float | None = None

    def follow(self, lateness: float, now: float) -> float:
        """Take note of what has come.

        Args:
            lateness: seconds from its time to its arrival.
            now: when it came, in seconds.

        Returns:
            seconds that this, and what comes behind it, is to be laid later.
        """
        if self._last is None:
            self._settled, self._last = now + WINDOW_SECONDS, now
        passed, self._last = max(now - self._last, 0.0), max(now, self._last)
        if passed > WINDOW_SECONDS:
            # What came before a pause tells nothing of now.
            self._lateness = RecentMinimum(WINDOW_SECONDS)
        on_pace = self._pace * passed
        self._lateness.shift(-on_pace)
        self._lateness.add(lateness - on_pace, now)
        correction = self._correct(min(passed, 1.0), now)
        self._lateness.shift(-correction)
        return on_pace + correction

    def _correct(self, seconds: float, now: float) -> float:
        off = self._lateness.value - self._reference
        if abs(off) > STEP_SECONDS:
            self._settled = now + WINDOW_SECONDS
        if now < self._settled:
            self._reference += off
            return 0.0
        if abs(off) < STILL_SECONDS:
            return 0.0
        self._pace = _within(self._pace + INTEGRAL * off * seconds, FASTEST)
        return _within(PROPORTIONAL * off, FASTEST) * seconds

    def shift(self, seconds: float) -> None:
        """What comes is laid later by this for another reason."""
        self._lateness.shift(-seconds)
        self._reference -= seconds


def _within(value: float, most: float) -> float:
    return min(max(value, -most), most)
