"""Listening on one port, whatever the number of addresses."""

from __future__ import annotations

import errno
import socket
from collections import deque
from contextlib import suppress
from typing import Any, Final

import trio

_ATTEMPTS: Final = 20

_AT_ONCE: Final = 64
"""How many connections are accepted before anybody else has a turn."""

#: A hanging GET has nothing to send for hours: only these notice that a client's network has
#: gone, within a minute.
_KEEPALIVE: Final = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, option), value)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
    if hasattr(socket, option)
]


async def open_listeners(port: int, host: str | bytes | None) -> list[trio.SocketListener]:
    """As `trio.open_tcp_listeners`, but port 0 is the same port on all addresses of ``host``.

    Raises:
        OSError: the port is in use, or the host is not of this machine.
    """
    if port != 0:
        return await trio.open_tcp_listeners(port, host=host)
    found = await trio.socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    if len(addresses) == 1:
        return await trio.open_tcp_listeners(0, host=host)
    attempt = 1
    while True:
        try:
            return await _open_same_port(addresses)
        except OSError as error:
            # The port that is free on the first address may be taken on another one.
            if error.errno != errno.EADDRINUSE or attempt == _ATTEMPTS:
                raise
        attempt += 1


async def _open_same_port(addresses: list[str]) -> list[trio.SocketListener]:
    port = 0
    listeners: list[trio.SocketListener] = []
    unsupported: OSError | None = None
    try:
        for address in addresses:
            try:
                listeners += await trio.open_tcp_listeners(port, host=address)
            except OSError as error:
                if error.errno != errno.EAFNOSUPPORT:
                    raise
                unsupported = error
            else:
                port = listeners[0].socket.getsockname()[1]
        if not listeners and unsupported is not None:
            raise unsupported
    except BaseException:
        for listener in listeners:
            listener.socket.close()
        raise
    return listeners


def keep_alive(stream: trio.abc.Stream) -> None:
    """Have the kernel find out about a client that is gone without a word."""
    if not isinstance(stream, trio.SocketStream):
        return
    # A Unix domain socket has none of these, and some systems refuse them for a connection that
    # has ended already.
    with suppress(OSError):
        for level, option, value in _KEEPALIVE:
            stream.setsockopt(level, option, value)


class EagerListener(trio.abc.Listener[trio.SocketStream]):
    """Accepts at once all that wait to be accepted.

    Otherwise it would be one connection for each turn of the event loop: the more there is to
    do, the longer those wait who come back, until they count as gone.
    """

    def __init__(self, listener: trio.SocketListener):
        self._listener = listener
        self._accepted: deque[trio.SocketStream] = deque()
        # Of Trio's own socket every `accept` is a turn.
        self._socket = socket.socket(fileno=listener.socket.dup().detach())
        self._socket.setblocking(False)

    async def accept(self) -> trio.SocketStream:
        if self._accepted:
            return self._accepted.popleft()
        stream = await self._listener.accept()
        while len(self._accepted) < _AT_ONCE:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                # Mostly that there is nothing more; what else it is, the next call meets too.
                break
            self._accepted.append(trio.SocketStream(trio.socket.from_stdlib_socket(accepted)))
        return stream

    async def aclose(self) -> None:
        self._socket.close()
        for stream in self._accepted:
            stream.socket.close()
        self._accepted.clear()
        await self._listener.aclose()


def accept_eagerly(listener: trio.abc.Listener[Any]) -> trio.abc.Listener[Any]:
    """The same listener, eager if it listens on a socket. It owns the other one from now on."""
    return EagerListener(listener) if isinstance(listener, trio.SocketListener) else listener
