"""Keyframe requests (PLI, RFC 4585, section 6.3.1), until a picture comes that needs no other."""

from __future__ import annotations

from typing import Final

FIRST_SECONDS: Final = 0.3
"""Between the first request and the second; each further one takes `GROWTH` times as long."""

GROWTH: Final = 1.5
LONGEST_SECONDS: Final = 2.0


class KeyframeRequests:
    """When to ask."""

    def __init__(self) -> None:
        self._asked: float | None = None
        self._interval = FIRST_SECONDS
        self._wanted = False

    def want(self, now: float) -> bool:
        """One is wanted; whether to ask now."""
        self._wanted = True
        if self._asked is not None and now < self._asked + self._interval:
            return False
        if self._asked is not None:
            self._interval = min(self._interval * GROWTH, LONGEST_SECONDS)
        self._asked = now
        return True

    def settle(self) -> None:
        """None is wanted any more, for what was missing has come."""
        self._wanted = False

    def arrive(self) -> None:
        """One has come."""
        self._asked, self._interval, self._wanted = None, FIRST_SECONDS, False

    @property
    def due(self) -> float | None:
        """When to ask again."""
        if not self._wanted or self._asked is None:
            return None
        return self._asked + self._interval
