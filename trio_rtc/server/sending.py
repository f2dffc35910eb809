"""Sending without waiting: at once what the kernel takes, the rest by a task."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

PIECE_BYTES = 64 * 1024

Task: TypeAlias = Callable[[], Awaitable[None]]
StartTask: TypeAlias = Callable[[Task], None]


class SendBuffer:
    """What is to be sent on a stream, from whatever task it comes. It is the only writer.

    On a TCP socket most of it is sent by `send` itself; a task is there only while something
    is left. On any other stream that task sends all.

    Args:
        start_task: runs it.
        piece_seconds: how long the other side may take for a piece of 64 KiB.
        on_stuck: called when it takes longer, which ends the sending.
    """

    __slots__ = (
        "_broken",
        "_chunks",
        "_empty",
        "_on_stuck",
        "_piece_seconds",
        "_plain",
        "_start_task",
        "_stream",
        "_unsent",
        "_writing",
    )

    def __init__(
        self,
        stream: trio.abc.SendStream,
        start_task: StartTask,
        *,
        piece_seconds: float,
        on_stuck: Callable[[], None],
    ):
        self._stream = stream
        self._start_task = start_task
        self._piece_seconds = piece_seconds
        self._on_stuck = on_stuck
        self._plain = isinstance(stream, trio.SocketStream) and os.name == "posix"
        self._chunks: list[bytes] = []
        self._unsent = 0
        self._writing = False
        self._broken = False
        self._empty: trio.Event | None = None

    @property
    def size(self) -> int:
        """How many bytes wait, without those that the task is sending."""
        return self._unsent

    def send(self, chunks: list[bytes]) -> None:
        """Send what can be sent without waiting, and see to the rest."""
        if self._broken:
            return
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if data and self._plain and not self._writing:
            data = self._try_send(data)
        if data:
            self._chunks.append(data)
            self._unsent += len(data)
            if not self._writing:
                self._writing = True
                self._start_task(self._write)

    def _try_send(self, data: bytes) -> bytes:
        """Send what the kernel takes at once; give the rest."""
        assert isinstance(self._stream, trio.SocketStream)
        try:
            sent = os.write(self._stream.socket.fileno(), data)
        except BlockingIOError:
            return data
        except OSError:
            # The socket is closed, or was reset: whoever reads from it hears of that.
            self._broken = True
            return b""
        return data[sent:]

    def _take(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._unsent = 0
        return data

    async def _write(self) -> None:
        try:
            while self._unsent:
                data = memoryview(self._take())
                for start in range(0, len(data), PIECE_BYTES):
                    with trio.move_on_after(self._piece_seconds) as scope:
                        await self._stream.send_all(data[start : start + PIECE_BYTES])
                    if scope.cancelled_caught:
                        self._fail()
                        self._on_stuck()
                        return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._fail()
        finally:
            self._writing = False
            if self._empty is not None:
                self._empty.set()

    def _fail(self) -> None:
        """Give up: after a piece that went out in part nothing else may follow."""
        self._broken = True
        self._chunks.clear()
        self._unsent = 0

    async def drain(self) -> None:
        """Wait until nothing is left, or nothing can be sent any more."""
        while self._writing:
            self._empty = trio.Event()
            await self._empty.wait()
