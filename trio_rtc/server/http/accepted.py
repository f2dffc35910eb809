"""Accepted connection of a server, whatever is spoken on it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from .shared_reader import SharedReader, descriptor, read_at_once

RECEIVE_BYTES: Final = 16 * 1024
LINGER_SECONDS: Final = 2.0

#: So much of what comes after the last answer is read at once, and the rest slowly.
LINGER_BYTES: Final = 1024 * 1024
LINGER_PAUSE: Final = 0.01


def _nothing(accepted: Accepted) -> None:
    pass


class Accepted:
    """It has an owner at every moment, who closes it or hands it on.

    Args:
        stream: what is spoken on; a socket becomes a stream of Trio with the first task that wants
            it.
        on_closed: called once it is closed.

    Attributes:
        number: how many connections there have been, this one included.
        address: the IP address of the client; empty if the stream has none.
        counted: whose connection it is; see `addresses.client_network`. That of a proxy is
            nobody's.
    """

    __slots__ = ("_on_closed", "_socket", "_stream", "address", "counted", "number")

    def __init__(
        self,
        stream: trio.abc.Stream | socket.socket,
        *,
        number: int = 0,
        address: str = "",
        counted: str = "",
        on_closed: Callable[[Accepted], None] = _nothing,
    ):
        self._stream: trio.abc.Stream | None = None
        self._socket: socket.socket | None = None
        if isinstance(stream, socket.socket):
            self._socket = stream
        else:
            self._stream = stream
        self.number = number
        self.address = address
        self.counted = counted
        self._on_closed = on_closed

    @property
    def descriptor(self) -> int:
        """That of a socket which can be written to and read from at once; -1 of all else."""
        if self._socket is not None:
            return self._socket.fileno()
        assert self._stream is not None
        return descriptor(self._stream) if os.name == "posix" else -1

    @property
    def stream(self) -> trio.abc.Stream:
        """What is spoken on."""
        if self._stream is None:
            assert self._socket is not None
            self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(self._socket))
            self._socket = None
        return self._stream

    def detach(self) -> None:
        """Keep a socket open when the owner of the stream closes that, as Trio does it for us."""
        if self._stream is None:
            return
        if descriptor(self._stream) >= 0:
            assert isinstance(self._stream, trio.SocketStream)
            own = socket.socket(fileno=self._stream.socket.detach())
            self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(own))
        elif isinstance(self._stream, trio.SocketStream):
            self._stream = trio.SocketStream(self._stream.socket.dup())

    async def receive(self, reader: SharedReader, size: int = RECEIVE_BYTES) -> bytes:
        """Take in what comes, in turn; nothing is the end.

        Raises:
            trio.BrokenResourceError: the stream ends in any other way. A socket may just end.
        """
        number = self.descriptor
        if number < 0:
            data = bytes(await self.stream.receive_some(size))
            await reader.turns.wait(self.counted)
            return data
        stream = self.stream
        assert isinstance(stream, trio.SocketStream)
        await trio.lowlevel.checkpoint_if_cancelled()
        if reader.turns.is_free and (received := read_at_once(number, size)) is not None:
            reader.turns.take()
            return received
        while True:
            await reader.wait(stream, self.counted)
            if (received := read_at_once(number, size)) is not None:
                return received

    async def linger(self, reader: SharedReader) -> None:
        """Let the client close first: closing with data unread would destroy the last answer."""
        with trio.move_on_after(LINGER_SECONDS), suppress(trio.BrokenResourceError):
            if isinstance(self.stream, trio.abc.HalfCloseableStream):
                await self.stream.send_eof()
            received = 0
            while data := await self.receive(reader):
                received += len(data)
                if received > LINGER_BYTES:
                    # Nobody is waiting for it: reading all that somebody can send would be work.
                    await trio.sleep(LINGER_PAUSE)

    def shutdown(self) -> None:
        """Send nothing more on a plain socket."""
        with suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_WR)
            else:
                assert isinstance(self._stream, trio.SocketStream)
                self._stream.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close a plain socket, which needs no task."""
        try:
            if self._socket is not None:
                self._socket.close()
            else:
                assert isinstance(self._stream, trio.SocketStream)
                self._stream.socket.close()
        finally:
            self._on_closed(self)

    async def aclose(self) -> None:
        """Close it."""
        try:
            with trio.move_on_after(LINGER_SECONDS):
                await self.stream.aclose()
        finally:
            self._on_closed(self)
