"""Credit-based flow control: what one may send before the other has read. Without I/O.

A window that is smaller than what the path holds is what the sender is held up by, and not its
reader. It says so, as QUIC does (DATA_BLOCKED, RFC 9000, section 19.13), and who has read most of
what came doubles the window.
"""

from __future__ import annotations

from .budget import ChannelBudget
from .extension import WINDOW
from .framing import (
    BLOCKED_FRAME,
    CREDIT,
    CREDIT_FRAME,
    GROWN,
    GROWN_FRAME,
    FramingError,
)


class SendWindow:
    """What we may still send to a side that has kept ``window`` for us.

    Args:
        can_grow: whether the other side may keep more, if it hears that this holds us up.

    Attributes:
        size: what it has kept by now.
    """

    def __init__(self, window: int, *, can_grow: bool = False):
        self.size = window
        self._sent = self._read = 0
        self._blocked_at = -1 if can_grow else None

    @property
    def used(self) -> int:
        """The cost of what was sent and, as far as we know, not read."""
        return self._sent - self._read

    @property
    def room(self) -> int:
        """What may be sent now."""
        return self.size - self.used

    def take(self, amount: int) -> None:
        self._sent += amount

    def blocked(self) -> bytes | None:
        """The frame that says that this holds us up: once for each credit that we have had."""
        if self._blocked_at is None or self._blocked_at == self._read:
            return None
        self._blocked_at = self._read
        return BLOCKED_FRAME

    def receive(self, frame: bytes) -> None:
        """Take a frame of credit, or of a window that has grown.

        They are cumulative, so that a late one does no harm.

        Raises:
            FramingError: credit for what was never sent, or a window that nobody has asked for.
        """
        if len(frame) != CREDIT_FRAME.size:
            raise FramingError("a credit frame of the wrong size")
        kind, amount = CREDIT_FRAME.unpack(frame)
        if kind == GROWN:
            if self._blocked_at is None or self._blocked_at < 0:
                raise FramingError("a window that has grown unasked")
            self.size = max(self.size, amount)
            return
        if amount > self._sent:
            raise FramingError("credit for what was not sent")
        self._read = max(self._read, amount)


class ReceiveWindow:
    """What we have kept for the other side, and tell it about.

    Args:
        budget: what all windows of the connection may grow by; None if this one does not grow.

    Attributes:
        size: what we have kept by now.
    """

    def __init__(self, window: int = WINDOW, budget: ChannelBudget | None = None):
        self.size = window
        self._budget = budget
        self._grown = 0
        self._arrived = self._read = self._told = 0

    def arrived(self, amount: int) -> None:
        """Count what has come.

        Raises:
            FramingError: that is more than the other side had credit for.
        """
        self._arrived += amount
        if self._arrived - self._told > self.size:
            raise FramingError("more was sent than there was credit for")

    def read(self, amount: int) -> None:
        self._read += amount

    def due(self) -> bytes | None:
        """A credit frame, when it is worth one."""
        if self._read - self._told < self.size // 4:
            return None
        self._told = self._read
        return CREDIT_FRAME.pack(CREDIT, self._told)

    def blocked(self) -> bytes | None:
        """The other side is held up: a frame that gives it more, if its reader is not why."""
        if self._budget is None or self._arrived - self._read > self.size // 2:
            return None
        more = self._budget.grow(self.size)
        if not more:
            return None
        self._grown += more
        self.size += more
        return GROWN_FRAME.pack(GROWN, self.size)

    def end(self) -> None:
        """Nothing more will come: others may grow by what this one has."""
        if self._budget is not None:
            self._budget.shrink(self._grown)
            self._grown = 0
