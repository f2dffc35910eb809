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
        on_closed: called once it is closed.

    Attributes:
        number: how many connections there have been, this one included.
        address: the IP address of the client; empty if the stream has none.
        counted: whose connection it is; see `addresses.client_network`. That of a proxy is
            nobody's.
    """

    __slots__ = ("_on_closed", "address", "counted", "number", "stream")

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        number: int = 0,
        address: str = "",
        counted: str = "",
        on_closed: Callable[[Accepted], None] = _nothing,
    ):
        self.stream = stream
        self.number = number
        self.address = address
        self.counted = counted
        self._on_closed = on_closed

    def detach(self) -> None:
        """Keep a socket open when the owner of the stream closes that, as Trio does it for us."""
        if descriptor(self.stream) >= 0:
            assert isinstance(self.stream, trio.SocketStream)
            own = socket.socket(fileno=self.stream.socket.detach())
            self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(own))
        elif isinstance(self.stream, trio.SocketStream):
            self.stream = trio.SocketStream(self.stream.socket.dup())

    async def receive(self, reader: SharedReader, size: int = RECEIVE_BYTES) -> bytes:
        """Take in what comes, in turn; nothing is the end.

        Raises:
            trio.BrokenResourceError: the stream ends in any other way. A socket may just end.
        """
        number = descriptor(self.stream)
        if number < 0 or os.name != "posix":
            data = bytes(await self.stream.receive_some(size))
            await reader.turns.wait(self.counted)
            return data
        assert isinstance(self.stream, trio.SocketStream)
        await trio.lowlevel.checkpoint_if_cancelled()
        if reader.turns.is_free and (received := read_at_once(number, size)) is not None:
            reader.turns.take()
            return received
        while True:
            await reader.wait(self.stream, self.counted)
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

    async def aclose(self) -> None:
        """Close it."""
        try:
            with trio.move_on_after(LINGER_SECONDS):
                await self.stream.aclose()
        finally:
            self._on_closed(self)
