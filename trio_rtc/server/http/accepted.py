"""Accepted connection of a server, whatever is spoken on it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

RECEIVE_BYTES: Final = 16 * 1024
LINGER_SECONDS: Final = 2.0

#: So much of what comes after the last answer is read at once, and the rest slowly.
LINGER_BYTES: Final = 1024 * 1024
LINGER_PAUSE: Final = 0.01


def descriptor(stream: trio.abc.AsyncResource) -> int:
    """That of a socket on which nothing but TCP is spoken; -1 of all else.

    A socket in a simulation has none.
    """
    if isinstance(stream, trio.SocketStream | trio.SocketListener):
        return stream.socket.fileno()
    return -1


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

    async def linger(self) -> None:
        """Let the client close first: closing with data unread would destroy the last answer."""
        with trio.move_on_after(LINGER_SECONDS), suppress(trio.BrokenResourceError):
            if isinstance(self.stream, trio.abc.HalfCloseableStream):
                await self.stream.send_eof()
            received = 0
            while data := await self.stream.receive_some(RECEIVE_BYTES):
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
