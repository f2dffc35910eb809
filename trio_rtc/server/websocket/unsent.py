"""Send queue of a connection: what it has still to send. No I/O.

The kernel takes bytes up to anywhere, also in the middle of a frame: how far it got is kept here
as numbers, so that what waits for a client that does not read is not copied for its connection.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from ...wire.session import Outbox
from .text_frames import text_frames, text_header


class Unsent(Protocol):
    """Bytes that are sent in order.

    Attributes:
        midway: whether a frame has been sent in part, so that the rest of it comes next.
        is_last: whether nothing comes after what was read last.
    """

    is_last: bool

    @property
    def midway(self) -> bool: ...

    def read(self, limit: int) -> bytes:
        """What comes next, of about this size at most; nothing if there is no more."""

    def sent(self, count: int) -> None:
        """So many bytes of that have been sent."""

    def stop(self) -> None:
        """End with the frame of which a part has been sent, if there is one."""


class UnsentBytes:
    """Whole frames that wait here and nowhere else.

    Attributes:
        size: how many bytes.
    """

    __slots__ = ("_chunks", "_offset", "size")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._offset = 0
        self.size = 0

    @property
    def midway(self) -> bool:
        return self._offset > 0

    def add(self, chunk: bytes) -> None:
        """Send this after what waits."""
        self._chunks.append(chunk)
        self.size += len(chunk)

    def read(self, limit: int) -> bytes:
        if not self._chunks:
            return b""
        first = self._chunks[0]
        if self._offset or len(first) >= limit:
            return bytes(memoryview(first)[self._offset : self._offset + limit])
        chunks: list[bytes] = []
        size = 0
        for chunk in self._chunks:
            size += len(chunk)
            if size > limit:
                break
            chunks.append(chunk)
        return b"".join(chunks)

    def sent(self, count: int) -> None:
        self.size -= count
        count += self._offset
        while count and count >= len(self._chunks[0]):
            count -= len(self._chunks.popleft())
        self._offset = count

    def clear(self) -> None:
        """Send nothing of it any more."""
        self._chunks.clear()
        self._offset = self.size = 0


class UnsentMessages:
    """What of an outbox a connection has still to send, each message as a text in a frame.

    It is read from the outbox itself, where it stays until it is acknowledged.
    """

    __slots__ = (
        "_end",
        "_next",
        "_offset",
        "_outbox",
        "_partial",
        "_read",
        "_read_next",
        "is_last",
    )

    def __init__(self, outbox: Outbox):
        self._outbox = outbox
        self._next = outbox.acknowledged + 1
        self._end: int | None = None
        # What has been sent in part is sent to its end, also if the client claims to have it.
        self._offset = 0
        self._partial = b""
        # How long the whole frames were that were read last, and what comes behind them.
        self._read = 0
        self._read_next = 0
        self.is_last = False

    @property
    def midway(self) -> bool:
        return self._offset > 0

    @property
    def held(self) -> int:
        """How many bytes are kept here that are not in the outbox any more."""
        return len(self._partial) if self._next <= self._outbox.acknowledged else 0

    def stop(self) -> None:
        self._end = self._next + self.midway

    def read(self, limit: int) -> bytes:
        outbox = self._outbox
        if self._offset:
            return self._part(self._partial, limit)
        if self._next <= outbox.acknowledged:
            self._next = outbox.acknowledged + 1
        if self._next >= (outbox.next if self._end is None else self._end):
            return b""
        messages = outbox.read(self._next, limit)
        if len(messages[0]) >= limit:
            return self._part(messages[0], limit)
        data = text_frames(messages)
        self._read, self._read_next = len(data), self._next + len(messages)
        self.is_last = self._read_next == outbox.next
        return data

    def _part(self, message: bytes, limit: int) -> bytes:
        self._read = 0
        self.is_last = False
        header = text_header(len(message))
        start = self._offset - len(header)
        if start >= 0:
            return bytes(memoryview(message)[start : start + limit])
        return header[self._offset :] + memoryview(message)[:limit]

    def sent(self, count: int) -> None:
        if self._read and count == self._read:
            self._next, self._read = self._read_next, 0
            return
        count += self._offset
        while count:
            message = self._partial or self._outbox[self._next]
            size = len(text_header(len(message))) + len(message)
            if count < size:
                self._partial = message
                break
            self._partial = b""
            count -= size
            self._next += 1
        self._offset = count
