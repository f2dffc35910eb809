"""Pacing: when the next packet may be sent, so that no queue need hold a whole window."""

from __future__ import annotations

from typing import Final

QUANTUM: Final = 0.001
"""Seconds whose packets are sent at once: loops have no finer timers."""

LATE: Final = 0.05
"""Seconds that a busy host may be late, without those packets being lost to the rate."""


class Pacer:
    """Spreads packets at a rate.

    Attributes:
        next_at: when one may be sent.
    """

    def __init__(self) -> None:
        self.next_at = 0.0
        self._ideal = 0.0
        self._burst = 0

    def allow(self, burst: int) -> None:
        """Nothing is on its way: so many bytes may be sent at once, as at the very first."""
        self._burst = burst

    def sent(self, size: int, rate: float | None, now: float) -> None:
        """Count a packet. Without a rate it costs no time."""
        self._burst -= size
        if not rate or self._burst > 0:
            self._ideal = self.next_at = now
            return
        self._ideal = max(self._ideal, now - LATE) + size / rate
        # A whole quantum goes out in one go, and then there is a pause.
        self.next_at = self._ideal - QUANTUM if self._ideal - QUANTUM <= now else self._ideal
