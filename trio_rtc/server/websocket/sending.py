"""Sending without waiting: at once what the kernel takes, the rest by a task."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import trio

from ..http.shared_reader import descriptor
from ..hub.memory import Account
from .unsent import Unsent, UnsentBytes

PIECE_BYTES: Final = 64 * 1024

#: What is sent at once on a stream that is no plain socket. It and what the stream makes of it
#: are kept until the other side has taken them.
_COPIED_BYTES: Final = 16 * 1024
_COPIES: Final = 2

Task: TypeAlias = Callable[[], Awaitable[None]]
StartTask: TypeAlias = Callable[[Task], None]


def _nobody() -> None:
    pass


class SendBuffer:
    """What is to be sent on a stream, from whatever task it comes. It is the only writer.

    First come the frames that were added, then those of ``more``, then the last ones. On a TCP
    socket most is sent by `flush` itself; a task is there only while something is left. On any
    other stream that task sends all.

    Args:
        start_task: runs it.
        account: counts what waits.
        piece_seconds: how long the other side may take for 64 KiB.
        on_stuck: called when it takes longer, which ends the sending.

    Attributes:
        more: frames that wait somewhere else.
    """

    __slots__ = (
        "_account",
        "_broken",
        "_empty",
        "_ending",
        "_first",
        "_last",
        "_on_stuck",
        "_piece_seconds",
        "_plain",
        "_start_task",
        "_stream",
        "_writing",
        "more",
    )

    def __init__(
        self,
        stream: trio.abc.SendStream,
        start_task: StartTask,
        account: Account,
        *,
        piece_seconds: float,
        on_stuck: Callable[[], None],
    ):
        self.more: Unsent | None = None
        self._stream = stream
        self._start_task = start_task
        self._account = account
        self._piece_seconds = piece_seconds
        self._on_stuck = on_stuck
        self._plain = descriptor(stream) >= 0 and os.name == "posix"
        self._first = UnsentBytes()
        self._last = UnsentBytes()
        self._ending = False
        self._writing = False
        self._broken = False
        self._empty: trio.Event | None = None

    @property
    def size(self) -> int:
        """How many bytes wait here, without those of ``more``."""
        return self._first.size + self._last.size

    def add(self, frame: bytes) -> None:
        """Send a frame with the next `flush`."""
        if not self._broken:
            (self._last if self._ending else self._first).add(frame)
            self._account.add(len(frame))

    def begin_last(self) -> None:
        """Send what is added from now on when all of ``more`` has been sent."""
        self._ending = True

    def flush(self) -> int:
        """Send what can be sent without waiting, and see to the rest.

        Returns:
            How many bytes wait here now.
        """
        if not self._writing and not self._broken:
            # Without a plain socket a read is a copy, which the task makes when it is due.
            if not (self._send_what_is_taken() if self._plain else self._has_something()):
                return 0
            self._writing = True
            self._start_task(self._write)
        return self.size

    def _has_something(self) -> bool:
        return bool(self.size or (self.more is not None and self.more.read(1)))

    def _read(self, limit: int) -> tuple[bytes, int]:
        """What comes next, and how much of it is not from ``more``."""
        more, first = self.more, self._first
        if not first.size or (more is not None and more.midway):
            data = b"" if more is None else more.read(limit)
            if data or not self._last.size:
                return data, 0
            data = self._last.read(limit)
            return data, len(data)
        data = first.read(limit)
        size = len(data)
        if more is not None and size == first.size:
            data += more.read(limit)
        return data, size

    def _sent(self, count: int, own: int) -> None:
        """So many bytes of what was read have been sent."""
        if own:
            own = min(own, count)
            (self._first if self._first.size else self._last).sent(own)
            self._account.add(-own)
        if count > own:
            assert self.more is not None
            self.more.sent(count - own)

    def _send_what_is_taken(self) -> int:
        """Send what the kernel takes at once; tell how much that was if something is left."""
        assert isinstance(self._stream, trio.SocketStream)
        total = 0
        # Nearly always nothing else waits.
        alone = None if self.size else self.more
        while True:
            data, own = self._read(PIECE_BYTES) if alone is None else (alone.read(PIECE_BYTES), 0)
            if not data:
                return 0
            try:
                sent = os.write(self._stream.socket.fileno(), data)
            except BlockingIOError:
                return total or 1
            except OSError:
                # The socket is closed, or was reset: whoever reads from it hears of that.
                self.give_up()
                return 0
            if alone is None:
                self._sent(sent, own)
            else:
                alone.sent(sent)
            total += sent
            if sent < len(data):
                return total
            if alone is not None and alone.is_last:
                return 0

    async def _write(self) -> None:
        try:
            while not self._broken:
                with trio.move_on_after(self._piece_seconds) as scope:
                    if not await (self._write_plain() if self._plain else self._write_copy()):
                        return
                if scope.cancelled_caught:
                    self.give_up()
                    self._on_stuck()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.give_up()
        finally:
            self._writing = False
            if self._empty is not None:
                self._empty.set()

    async def _write_plain(self) -> bool:
        """Send 64 KiB; False if there is no more."""
        assert isinstance(self._stream, trio.SocketStream)
        sent = 0
        while sent < PIECE_BYTES:
            await trio.lowlevel.wait_writable(self._stream.socket)
            count = self._send_what_is_taken()
            if not count:
                return False
            sent += count
        return True

    async def _write_copy(self) -> bool:
        size = 0
        while size < PIECE_BYTES:
            data, own = self._read(_COPIED_BYTES)
            if not data:
                return False
            size += len(data)
            # If it goes out only in part, nothing follows: so it counts as sent already.
            self._sent(len(data), own)
            self._account.add(_COPIES * len(data))
            try:
                await self._stream.send_all(data)
            finally:
                self._account.add(-_COPIES * len(data))
        return True

    def give_up(self) -> None:
        """Send nothing more: after a frame that went out in part nothing else may follow."""
        self._broken = True
        self._account.add(-self.size)
        self._first.clear()
        self._last.clear()
        self.more = None

    def end(self) -> None:
        """Send nothing more, and call nobody."""
        self.give_up()
        self._on_stuck = _nobody

    async def drain(self) -> None:
        """Wait until nothing is left, or nothing can be sent any more."""
        while self._writing:
            self._empty = trio.Event()
            await self._empty.wait()
