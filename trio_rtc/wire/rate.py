"""Rate limiting by a token bucket: how much somebody may do in a time. No I/O."""

from __future__ import annotations


class TokenBucket:
    """Lets things happen at a rate, and some more after a silence.

    Args:
        rate: how many per second.
        burst: how many at once.
    """

    __slots__ = ("_burst", "_rate", "_since", "_tokens")

    def __init__(self, rate: float, burst: float, now: float):
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._since = now

    def take(self, count: int, now: float) -> bool:
        """Whether that many may happen now. If not, none of them counts."""
        tokens = self._tokens + (now - self._since) * self._rate
        if tokens > self._burst:
            tokens = self._burst
        self._since = now
        enough = tokens >= count
        self._tokens = tokens - count if enough else tokens
        return enough

    def delay(self, now: float) -> float:
        """In how many seconds one may happen."""
        tokens = self._tokens + (now - self._since) * self._rate
        return max(0.0, (1 - tokens) / self._rate)
