"""Credit-based flow control: what one may send before the other has read. Without I/O."""

from __future__ import annotations

from .extension import WINDOW
from .framing import CREDIT, CREDIT_FRAME, FramingError


class SendWindow:
    """What we may still send to a side that has kept ``window`` for us."""

    def __init__(self, window: int):
        self._window = window
        self._sent = self._read = 0

    @property
    def used(self) -> int:
        """The cost of what was sent and, as far as we know, not read."""
        return self._sent - self._read

    @property
    def room(self) -> int:
        """What may be sent now."""
        return self._window - self.used

    def take(self, amount: int) -> None:
        self._sent += amount

    def receive(self, frame: bytes) -> None:
        """Take a credit frame. They are cumulative, so that a late one does no harm.

        Raises:
            FramingError: credit for what was never sent.
        """
        if len(frame) != CREDIT_FRAME.size:
            raise FramingError("a credit frame of the wrong size")
        read: int = CREDIT_FRAME.unpack(frame)[1]
        if read > self._sent:
            raise FramingError("credit for what was not sent")
        self._read = max(self._read, read)


class ReceiveWindow:
    """What we have kept for the other side, and tell it about."""

    def __init__(self, window: int = WINDOW):
        self._window = window
        self._arrived = self._read = self._told = 0

    def arrived(self, amount: int) -> None:
        """Count what has come.

        Raises:
            FramingError: that is more than the other side had credit for.
        """
        self._arrived += amount
        if self._arrived - self._told > self._window:
            raise FramingError("more was sent than there was credit for")

    def read(self, amount: int) -> None:
        self._read += amount

    def due(self) -> bytes | None:
        """A credit frame, when it is worth one."""
        if self._read - self._told < self._window // 4:
            return None
        self._told = self._read
        return CREDIT_FRAME.pack(CREDIT, self._told)
