"""A data channel as a byte stream, for any protocol of Trio's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .framing import PART_SIZE

if TYPE_CHECKING:
    from .data_channel import DataChannel


class ChannelStream(trio.abc.HalfCloseableStream):
    """A stream over a channel that is ordered and loses nothing, which it owns from now on.

    Bytes travel in binary messages of at most 64 KiB, or of what the other side takes; where they
    are cut means nothing. An empty message is the end of what its sender has to say, and so is
    the end of the channel.

    Raises:
        ValueError: the channel is unordered, or may lose messages.
    """

    def __init__(self, channel: DataChannel):
        if not channel.ordered or not channel.reliable:
            raise ValueError("a stream needs a channel that is ordered and loses nothing")
        self.channel = channel
        self._send_conflict = _Conflict("another task is sending on this stream")
        self._receive_conflict = _Conflict("another task is receiving from this stream")
        self._buffer = memoryview(b"")
        self._eof_sent = False
        self._eof_received = False
        self._closed = False

    def __repr__(self) -> str:
        return f"<ChannelStream over {self.channel!r}>"

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it; wait while the channel's buffer is full.

        Cancelled, it may have sent a part.

        Raises:
            trio.BrokenResourceError: the other side has closed the channel, or is lost.
            trio.ClosedResourceError: we have closed it, or `send_eof` was called.
            trio.BusyResourceError: another task is sending.
        """
        with self._send_conflict:
            self._check_sending()
            await self.channel.wait_open()
            with memoryview(data).cast("B") as view:
                step = int(min(PART_SIZE, self.channel.max_message_size))
                for start in range(0, len(view), step):
                    await self.channel.send(bytes(view[start : start + step]))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until 64 KiB may be sent at once.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError: as above.
        """
        with self._send_conflict:
            self._check_sending()
            await self.channel._wait_writable()

    async def send_eof(self) -> None:
        """Tell the other side that it has all; what it sends is received as before.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError: as above.
        """
        with self._send_conflict:
            if self._closed:
                self._check_sending()
            if self._eof_sent:
                await trio.lowlevel.checkpoint()
                return
            await self.channel.send(b"")
            self._eof_sent = True

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what is there, at least one byte; ``b""`` at the end.

        Raises:
            ValueError: ``max_bytes`` is below 1.
            trio.BrokenResourceError: the connection was lost; or the other side sends something
                that is no stream.
            trio.ClosedResourceError: we have closed it.
            trio.BusyResourceError: another task is receiving.
        """
        if max_bytes is not None and not isinstance(max_bytes, int):
            raise TypeError(f"max_bytes is an int, not {type(max_bytes).__name__}")
        if max_bytes is not None and max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        with self._receive_conflict:
            if self._closed:
                raise trio.ClosedResourceError("this stream has been closed")
            if self._buffer or self._eof_received:
                await trio.lowlevel.checkpoint()
            else:
                await self._receive_message()
            data = bytes(self._buffer[:max_bytes])
            self._buffer = self._buffer[len(data) :]
            return data

    async def aclose(self) -> None:
        """Close the channel once the other side has all that was sent.

        Raises:
            trio.BrokenResourceError: as `DataChannel.aclose`.
        """
        self._closed = True
        self._buffer = memoryview(b"")
        await self.channel.aclose()

    async def _receive_message(self) -> None:
        try:
            message = await self.channel.receive()
        except trio.EndOfChannel:
            message = b""
        if isinstance(message, str):
            raise trio.BrokenResourceError("the other side has sent text, which no stream does")
        self._buffer = memoryview(message)
        self._eof_received = not message

    def _check_sending(self) -> None:
        if self._closed or self._eof_sent:
            raise trio.ClosedResourceError("this side of the stream has been closed")


class _Conflict:
    """Lets one task in at a time, as Trio's own streams do."""

    def __init__(self, message: str):
        self._message = message
        self._held = False

    def __enter__(self) -> None:
        if self._held:
            raise trio.BusyResourceError(self._message)
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False
