"""What has come on a data channel and waits for its reader. Without I/O."""

from __future__ import annotations

from collections import deque
from typing import Final

from ..errors import MessageTooLarge
from .channel_extension import WINDOW
from .credit import Debt
from .framing import FramingError, cost
from .joining import Joined, Joiner, too_large

UNREAD_LIMIT: Final = 64 * 1024 * 1024
"""Bytes unread of a peer that knows no credit; a channel that needs more is closed."""


class ReaderTooSlow(Exception):
    """A peer that cannot be held up has sent more than is kept."""


class Inbox:
    """The messages of one channel.

    A peer of ours is held up by credit. One that is not can only be cut off; and where messages
    may be lost anyway, the oldest give way to the newest.

    Args:
        framed: whether the other side is one of ours.
        ordered: whether messages arrive in order.
        reliable: whether they all arrive.
        max_message_size: bytes that we have said we take in one message, if it is not framed.

    Attributes:
        unread_bytes: of the messages that wait.
        dropped: how many have given way.
    """

    def __init__(self, *, framed: bool, ordered: bool, reliable: bool, max_message_size: int):
        self._reliable = reliable
        self._max_message_size = max_message_size
        self._debt = Debt() if framed and reliable else None
        self._joiner = Joiner(ordered=ordered, debt=self._debt) if framed else None
        self._queue: deque[Joined] = deque()
        self.unread_bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, message: str | bytes) -> Joined | None:
        """Take what has come; return the message that is complete with it.

        Raises:
            FramingError: it is not what a peer of ours sends.
            ReaderTooSlow: it is too much.
        """
        joined = self._join(message)
        if joined is not None:
            self._queue.append(joined)
            self.unread_bytes += joined.size
            self._bound()
        self._advance()
        return joined

    def get(self) -> str | bytes:
        """The next message.

        Raises:
            MessageTooLarge: the other side has sent one over our limit in its place.
        """
        joined = self._queue.popleft()
        self._count_read(joined)
        self._advance()
        if isinstance(joined.message, MessageTooLarge):
            raise joined.message
        return joined.message

    def clear(self) -> None:
        """Nobody will read what is there."""
        self._queue.clear()
        self.unread_bytes = 0

    def credit(self) -> bytes | None:
        """A frame that is due to the other side."""
        return self._debt.due() if self._debt is not None else None

    def _join(self, message: str | bytes) -> Joined | None:
        if self._joiner is not None:
            if isinstance(message, str):
                raise FramingError("a text message where there should be frames")
            return self._joiner.take(message)
        size = len(message.encode()) if isinstance(message, str) else len(message)
        if size > self._max_message_size:
            return Joined(too_large(size, self._max_message_size), 0, 0)
        return Joined(message, size, cost(size))

    def _advance(self) -> None:
        if self._joiner is not None and not self._queue:
            self._joiner.advance()

    def _count_read(self, joined: Joined) -> None:
        self.unread_bytes -= joined.size
        if self._debt is not None:
            self._debt.read(joined.cost)

    def _bound(self) -> None:
        if not self._reliable:
            while len(self._queue) > 1 and self._unread_cost > WINDOW:
                self._count_read(self._queue.popleft())
                self.dropped += 1
        elif self._joiner is None and self._unread_cost > UNREAD_LIMIT:
            raise ReaderTooSlow(
                f"more than {UNREAD_LIMIT} bytes of the other side, which does not wait for its "
                "reader, were not read"
            )

    @property
    def _unread_cost(self) -> int:
        return self.unread_bytes + cost(0) * len(self._queue)
