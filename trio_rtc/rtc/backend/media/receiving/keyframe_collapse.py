"""Keyframe requests of many viewers, as the few that their publisher hears (RFC 4585, 6.3.1)."""

from __future__ import annotations

import math
from typing import Final

COLLAPSE_SECONDS: Final = 0.5
"""Between one request and the next, and from a keyframe to a request of who has missed it."""


class KeyframeCollapse:
    """When to ask a publisher; times are in seconds.

    Attributes:
        due: when to `look` again; None for never.
    """

    def __init__(self) -> None:
        self.due: float | None = None
        self._asked = self._came = -math.inf

    def ask(self, now: float) -> bool:
        """A viewer asks; whether to ask the publisher now. Otherwise that is `due` later."""
        earliest = max(self._asked, self._came) + COLLAPSE_SECONDS
        if now < earliest:
            self.due = earliest
            return False
        self._asked, self.due = now, None
        return True

    def look(self, now: float) -> bool:
        """Whether to ask the publisher now, as nothing has come since a viewer asked."""
        return self.due is not None and now >= self.due and self.ask(now)

    def arrive(self, now: float) -> None:
        """A keyframe has come, and goes to all who have asked."""
        self._came, self.due = now, None
