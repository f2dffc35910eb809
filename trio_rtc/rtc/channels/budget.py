"""Memory budget of all data channels of a connection. Without I/O."""

from __future__ import annotations

from typing import Final

MAX_UNREAD_BYTES: Final = 256 * 1024 * 1024
"""Bytes that wait in all channels of a connection, unless a program wants another limit."""

MAX_GROWTH: Final = 16 * 1024 * 1024
"""Bytes that all windows of a connection may grow by, and never more than an eighth of the limit:
six times what 100 Mbit/s and 200 ms hold, for what was lost takes another trip or two."""

MAX_REFUSED: Final = 16
"""Messages over our limit that all channels of a connection may bring."""


class LimitExceeded(Exception):
    """The other side has sent more than is kept."""


class ChannelBudget:
    """The memory of a connection for what has come and was not read.

    Args:
        limit: bytes, with what it costs to keep them: of messages that wait, and of the parts of
            those that are not complete.

    Attributes:
        used: how much of it is in use.
    """

    def __init__(self, limit: int = MAX_UNREAD_BYTES):
        self.limit = limit
        self.used = 0
        self._refused = 0
        self._growth = min(MAX_GROWTH, limit // 8)

    def grow(self, wanted: int) -> int:
        """Let a window grow by up to so many bytes; return by how many."""
        given = min(wanted, self._growth)
        self._growth -= given
        return given

    def shrink(self, amount: int) -> None:
        """A window that has grown by this is over."""
        self._growth += amount

    @property
    def is_exceeded(self) -> bool:
        return self.used > self.limit

    def check(self) -> None:
        """See that it is not exceeded.

        Raises:
            LimitExceeded: it is.
        """
        if self.is_exceeded:
            raise LimitExceeded(
                f"more than {self.limit} bytes of the other side, in all channels together, were "
                "not read"
            )

    def count_refused(self) -> None:
        """Count a message over our limit.

        Raises:
            LimitExceeded: there were too many.
        """
        self._refused += 1
        if self._refused > MAX_REFUSED:
            raise LimitExceeded(
                f"the other side has sent more than {MAX_REFUSED} messages over our limit"
            )
