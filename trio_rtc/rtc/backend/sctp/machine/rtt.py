"""Round trips, and the timeout that follows from them (RFC 9260, section 6.3)."""

from __future__ import annotations

from math import inf
from typing import Final

RTO_INITIAL: Final = 0.5
"""RFC 9260 has 1 s; browsers wait no longer than this for a handshake or a chat."""

RTO_MAX: Final = 3.0
"""As in libwebrtc: who is back after an interruption is not to wait for a minute."""

VARIANCE_MIN: Final = 0.2
"""Seconds over the usual trip that are no loss: a busy process may be that late."""

RTO_MIN: Final = 0.4
"""Towards strangers, whose acknowledgements may wait for 200 ms (RFC 9260, section 6.2)."""

_MOST_DOUBLED: Final = 10

SHORTEST_SECONDS: Final = 10.0
"""How long the shortest trip counts at least, and twice that at most."""


class RoundTrips:
    """What is known of them.

    Attributes:
        smoothed: seconds; None before the first.
        latest: the last one.
        shortest: of the last 10 to 20 seconds.
        floor: seconds that the timeout has at least.
        timeouts: how many there were, and nothing came back since.
    """

    def __init__(self) -> None:
        self.floor = RTO_MIN
        self.forget()

    def forget(self) -> None:
        """The path is another from now on."""
        self.smoothed: float | None = None
        self.variation = 0.0
        self.latest = 0.0
        self.shortest = inf
        self._of_before = inf
        self._of_now = inf
        self._turns_at = -inf
        self.timeouts = 0

    def add(self, seconds: float, now: float) -> None:
        """Take a trip of a chunk that was sent once (Karn's algorithm, section 6.3.1, C5)."""
        self.latest = seconds
        self.timeouts = 0
        if self.smoothed is None:
            self.smoothed, self.variation = seconds, seconds / 2
        else:
            self.variation += (abs(self.smoothed - seconds) - self.variation) / 4
            self.smoothed += (seconds - self.smoothed) / 8
        if now >= self._turns_at:
            self._of_before, self._of_now = self._of_now, inf
            self._turns_at = now + SHORTEST_SECONDS
        self._of_now = min(self._of_now, seconds)
        self.shortest = min(self._of_before, self._of_now)

    @property
    def timeout(self) -> float:
        """Seconds until what is on its way is taken for lost."""
        if self.smoothed is None:
            base = RTO_INITIAL
        else:
            base = max(self.floor, self.smoothed + max(4 * self.variation, VARIANCE_MIN))
        return min(base * 2.0 ** min(self.timeouts, _MOST_DOUBLED), RTO_MAX)

    def back_off(self) -> None:
        """Wait twice as long, until something has been measured again (section 6.3.3, E2)."""
        self.timeouts += 1

    def heard(self) -> None:
        """Something came back: what follows need not wait as long."""
        self.timeouts = 0
