"""Sending without waiting: at once what the kernel takes, the rest by a task."""

from __future__ import annotations

import os
from collections.abc import Callable

import trio

PIECE_BYTES = 64 * 1024


class SendBuffer:
    """What is to be sent on a stream, from whatever task it comes. It is the only writer.

    On a TCP socket most of it is sent by `flush` itself; a task is there only while something
    is left. On any other stream that task sends all.

    Args:
        nursery: where the task runs.
        piece_seconds: how long the other side may take for a piece of 64 KiB.
        on_stuck: called when it takes longer, which ends the sending.
    """

    def __init__(
        self,
        stream: trio.abc.SendStream,
        nursery: trio.Nursery,
        *,
        piece_seconds: float,
        on_stuck: Callable[[], None],
    ):
        self._stream = stream
        self._nursery = nursery
        self._piece_seconds = piece_seconds
        self._on_stuck = on_stuck
        self._plain = isinstance(stream, trio.SocketStream) and os.name == "posix"
        self._chunks: list[bytes] = []
        self._unsent = 0
        self._writing = False
        self._broken = False
        self._empty = trio.Event()

    @property
    def size(self) -> int:
        """How many bytes wait, without those that the task is sending."""
        return self._unsent

    def add(self, chunks: list[bytes]) -> None:
        """Put something behind what waits."""
        if not self._broken:
            self._chunks += chunks
            self._unsent += sum(map(len, chunks))

    def flush(self) -> None:
        """Send what can be sent without waiting, and see to the rest."""
        if self._writing or not self._unsent:
            return
        if self._plain:
            self._try_send()
        if self._unsent:
            self._writing = True
            self._nursery.start_soon(self._write)

    def _take(self) -> bytes:
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._unsent = 0
        return data

    def _try_send(self) -> None:
        assert isinstance(self._stream, trio.SocketStream)
        data = self._take()
        try:
            sent = os.write(self._stream.socket.fileno(), data)
        except BlockingIOError:
            sent = 0
        except OSError:
            # The socket is closed, or was reset: whoever reads from it hears of that.
            self._broken = True
            return
        if sent < len(data):
            self.add([data[sent:]])

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
            self._empty.set()
            self._empty = trio.Event()

    def _fail(self) -> None:
        """Give up: after a piece that went out in part nothing else may follow."""
        self._broken = True
        self._chunks.clear()
        self._unsent = 0

    async def drain(self) -> None:
        """Wait until nothing is left, or nothing can be sent any more."""
        while self._writing:
            await self._empty.wait()
