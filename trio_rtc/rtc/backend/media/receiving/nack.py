"""Requests for packets to be sent again (NACK, RFC 4585, section 6.2.1), once each round trip.

How long a round trip is follows from what has been asked for once, and came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TRIES: Final = 10
MOST_MISSING: Final = 500
"""If more are missing at once, none of them is asked for."""

FIRST_ROUND_TRIP: Final = 0.1
SHORTEST: Final = 0.010
"""Seconds; and how much later than usual an answer may come."""


@dataclass(slots=True)
class _Missing:
    tries: int
    asked: float


class RetransmissionRequests:
    """Which packets of a source are missing, and when each is to be asked for."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._missing: dict[int, _Missing] = {}
        self._round_trip: float | None = None
        self._variation = 0.0

    @property
    def interval(self) -> float:
        """Seconds after which a packet that was asked for is asked for again."""
        if self._round_trip is None:
            return FIRST_ROUND_TRIP
        return self._round_trip + max(4 * self._variation, SHORTEST)

    def receive(self, number: int, now: float) -> list[int]:
        """Take note of a packet; those that are to be asked for now, as they are missing."""
        missing = self._missing.pop(number, None)
        if missing is not None and missing.tries == 1:
            self._measure(now - missing.asked)
        if self._highest is None or number > self._highest + MOST_MISSING:
            self._missing.clear()
            self._highest = number
            return []
        new = list(range(self._highest + 1, number))
        self._highest = max(self._highest, number)
        for lost in new:
            self._missing[lost] = _Missing(1, now)
        if len(self._missing) > MOST_MISSING:
            self._missing.clear()
            return []
        return new

    def _measure(self, seconds: float) -> None:
        # As RFC 6298, section 2.
        if self._round_trip is None:
            self._round_trip, self._variation = seconds, seconds / 2
            return
        self._variation += (abs(seconds - self._round_trip) - self._variation) / 4
        self._round_trip += (seconds - self._round_trip) / 8

    def forget_before(self, number: int) -> None:
        """Ask no more for packets that nobody waits for."""
        for missing in [missing for missing in self._missing if missing < number]:
            del self._missing[missing]

    @property
    def due(self) -> float | None:
        """When the next one is to be asked for again."""
        times = [missing.asked for missing in self._missing.values() if missing.tries < TRIES]
        return min(times) + self.interval if times else None

    def take(self, now: float) -> list[int]:
        """Those that are to be asked for again now."""
        again = []
        for number, missing in self._missing.items():
            if missing.tries < TRIES and now >= missing.asked + self.interval:
                missing.tries += 1
                missing.asked = now
                again.append(number)
        return sorted(again)
