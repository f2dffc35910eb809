"""Memory budget for all that a server keeps for others. No I/O.

Whoever keeps something has an account. How much there may be in one depends on what is left: an
eighth of it. So whoever fills many accounts shrinks what may be in each, and the accounts of
those who keep little go on: with N greedy ones each ends at 1/(N + 8) of the budget, and the
whole is never used up (the dynamic thresholds of Choudhury and Hahne, 1998).
"""

from __future__ import annotations

from typing import Final

from ..counters import Statistics

SHARE: Final = 8

OVERHEAD: Final = 64
"""What a thing that is kept costs beside its bytes."""


class Memory:
    """The budget of a server.

    Args:
        limit: of all accounts together, in bytes.
        statistics: tell how much is in use.
    """

    def __init__(self, limit: int, statistics: Statistics):
        self._limit = limit
        self._statistics = statistics

    def open(self) -> Account:
        """A new account."""
        return Account(self._limit, self._statistics)

    def allows(self, size: int, more: int) -> bool:
        """Whether somebody who keeps so much may keep that much more."""
        return SHARE * (size + more) <= self._limit - self._statistics.memory_bytes - more


class Account:
    """What one of those who keep something keeps.

    Attributes:
        size: how much it is, in bytes.
    """

    __slots__ = ("_limit", "_statistics", "size")

    def __init__(self, limit: int, statistics: Statistics):
        self._limit = limit
        self._statistics = statistics
        self.size = 0

    def allows(self, more: int, *, parts: int = 1) -> bool:
        """Whether there may be so much more, if one of so many parts of it counts."""
        left = self._limit - self._statistics.memory_bytes - more
        return SHARE * (self.size // parts + more) <= left

    def take(self, size: int) -> bool:
        """Keep so much more. If it is too much, nothing is counted."""
        # As `allows` and `add`, without the calls: this is asked for each message.
        used, own = self._statistics.memory_bytes + size, self.size + size
        if SHARE * own > self._limit - used:
            return False
        self.size, self._statistics.memory_bytes = own, used
        return True

    def add(self, size: int) -> None:
        """Keep so much more, or less, whether there is place for it or not."""
        self.size += size
        self._statistics.memory_bytes += size

    def close(self) -> None:
        """Keep nothing more."""
        self.add(-self.size)
