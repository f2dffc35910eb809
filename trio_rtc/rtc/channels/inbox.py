"""Receive queue of a data channel: what has come and waits for its reader. Without I/O."""

from __future__ import annotations

from collections import deque
from typing import Final

from ...errors import MessageTooLarge
from .budget import ChannelBudget, LimitExceeded
from .credit import ReceiveWindow
from .extension import WINDOW
from .framing import FramingError, cost
from .reassembly import Reassembled, Reassembler, too_large

UNREAD_LIMIT: Final = 64 * 1024 * 1024
"""Bytes unread of a peer that knows no credit; a channel that needs more is closed."""

MESSAGE_COST: Final = 128
"""Bytes that Python needs to keep a message, beside its own."""

ERROR_COST: Final = 1024
"""Bytes that it needs for the error in the place of one."""


class ChannelInbox:
    """The messages of one channel.

    A peer of ours is held up by credit. One that is not can only be cut off; and where messages
    may be lost anyway, the oldest give way to the newest.

    Args:
        framed: whether the other side is one of ours.
        ordered: whether messages arrive in order.
        reliable: whether they all arrive.
        max_message_size: bytes that we have said we take in one message, if it is not framed.
        budget: what all channels of the connection may keep.

    Attributes:
        unread_bytes: of the messages that wait.
        dropped: how many have given way.
    """

    def __init__(
        self,
        *,
        framed: bool,
        ordered: bool,
        reliable: bool,
        max_message_size: int,
        budget: ChannelBudget,
    ):
        self._reliable = reliable
        self._max_message_size = max_message_size
        self._receive_window = ReceiveWindow(budget=budget) if framed and reliable else None
        self._reassembler = (
            Reassembler(ordered=ordered, receive_window=self._receive_window) if framed else None
        )
        self._queue: deque[Reassembled] = deque()
        self._budget = budget
        self._waiting = self._counted = 0
        self.unread_bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._queue)

    def __del__(self) -> None:
        # Of a channel that has ended, and that nobody has read to its end.
        self._budget.used -= self._counted
        if self._receive_window is not None:
            self._receive_window.end()

    def put(self, message: str | bytes) -> Reassembled | None:
        """Take what has come; return the message that is complete with it.

        Raises:
            FramingError: it is not what a peer of ours sends.
            LimitExceeded: it is too much.
        """
        joined = self._join(message)
        if joined is not None:
            self._queue.append(joined)
            self._waiting += _kept(joined)
            self.unread_bytes += joined.size
            self._bound()
        self._advance()
        self._count()
        if joined is not None and isinstance(joined.message, MessageTooLarge):
            self._refuse(joined.message)
        self._budget.check()
        return joined

    def get(self) -> str | bytes:
        """The next message.

        Raises:
            MessageTooLarge: the other side has sent one over our limit in its place.
        """
        joined = self._take()
        self._advance()
        self._count()
        if isinstance(joined.message, MessageTooLarge):
            raise joined.message
        return joined.message

    def clear(self) -> None:
        """Nobody will read what is there."""
        self._queue.clear()
        self._waiting = self.unread_bytes = 0
        self.end()

    def end(self) -> None:
        """Nothing more will come."""
        if self._receive_window is not None:
            self._receive_window.end()
        if self._reassembler is not None:
            self._reassembler.discard_all()
        self._count()

    def blocked(self) -> bytes | None:
        """The other side's window holds it up: a frame for it, if that helps."""
        if self._receive_window is None:
            raise FramingError("a window that holds up where there is none")
        return self._receive_window.blocked()

    def credit(self) -> bytes | None:
        """A frame that is due to the other side."""
        return self._receive_window.due() if self._receive_window is not None else None

    def _join(self, message: str | bytes) -> Reassembled | None:
        if self._reassembler is not None:
            if isinstance(message, str):
                raise FramingError("a text message where there should be frames")
            return self._reassembler.take(message)
        size = len(message.encode()) if isinstance(message, str) else len(message)
        if size > self._max_message_size:
            return Reassembled(too_large(size, self._max_message_size), 0, 0)
        return Reassembled(message, size, cost(size))

    def _refuse(self, error: MessageTooLarge) -> None:
        """A peer of ours knows our limit; others may go over it some times."""
        if self._reassembler is not None:
            raise FramingError(str(error))
        self._budget.count_refused()

    def _advance(self) -> None:
        if self._reassembler is not None and not self._queue:
            self._reassembler.advance()

    def _take(self) -> Reassembled:
        joined = self._queue.popleft()
        self._waiting -= _kept(joined)
        self.unread_bytes -= joined.size
        if self._receive_window is not None:
            self._receive_window.read(joined.cost)
        return joined

    def _bound(self) -> None:
        if not self._reliable:
            while len(self._queue) > 1 and self._waiting > WINDOW:
                self._take()
                self.dropped += 1
        elif self._reassembler is None and self._waiting > UNREAD_LIMIT:
            raise LimitExceeded(
                f"more than {UNREAD_LIMIT} bytes of the other side, which does not wait for its "
                "reader, were not read"
            )

    def _count(self) -> None:
        kept = self._waiting + (self._reassembler.kept if self._reassembler is not None else 0)
        self._budget.used += kept - self._counted
        self._counted = kept


def _kept(joined: Reassembled) -> int:
    return ERROR_COST if isinstance(joined.message, MessageTooLarge) else joined.size + MESSAGE_COST
