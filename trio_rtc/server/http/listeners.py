"""Listening on one port, whatever the number of addresses."""

from __future__ import annotations

import errno
import logging
import math
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import trio

from .shared_reader import ReadableTask, SharedReader

logger = logging.getLogger("trio_rtc.server")

_ATTEMPTS: Final = 20

#: That an address, or all of its kind, is none of this machine.
_NOT_HERE: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}

#: That there is no place for another connection now (accept(2)).
_NO_PLACE: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}

#: That the listening socket itself is of no use. Anything else is told of the connection that was
#: to be accepted.
_NO_LISTENER: Final = {errno.EBADF, errno.ENOTSOCK, errno.EINVAL, errno.EOPNOTSUPP}

_NO_PLACE_PAUSE: Final = 0.1
_LOG_PAUSE: Final = 1.0

LISTENER: Final = "listener"
"""As a client network: whoever is still to be accepted."""

_AT_ONCE: Final = 16
"""How many connections are accepted before anybody else has a turn."""

#: A hanging GET has nothing to send for hours: only these notice that a client's network has
#: gone, within a minute.
_KEEPALIVE: Final = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, option), value)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
    if hasattr(socket, option)
]

#: What Trio sets for each stream.
_PROMPT: Final = [
    (socket.IPPROTO_TCP, getattr(socket, option), value)
    for option, value in (("TCP_NODELAY", 1), ("TCP_NOTSENT_LOWAT", 2**14))
    if hasattr(socket, option)
]


async def open_listeners(port: int, host: str | bytes | None) -> list[trio.SocketListener]:
    """Listen on all addresses of ``host`` that this machine has; port 0 is the same one on all.

    A name may stand for addresses of a kind that is switched off here, as ``localhost`` often
    does.

    Raises:
        OSError: the port is in use on one of them, or none of them is of this machine.
    """
    found = await trio.socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    attempt = 1
    while True:
        try:
            return await _open_on(addresses, port)
        except OSError as error:
            # The port that is free on the first address may be taken on another one.
            if port != 0 or error.errno != errno.EADDRINUSE or attempt == _ATTEMPTS:
                raise
        attempt += 1


async def _open_on(addresses: list[str], port: int) -> list[trio.SocketListener]:
    listeners: list[trio.SocketListener] = []
    missing: list[OSError] = []
    try:
        for address in addresses:
            try:
                listeners += await trio.open_tcp_listeners(port, host=address)
            except OSError as error:
                named = OSError(error.errno, f"{error.strerror}: {address}")
                if error.errno not in _NOT_HERE:
                    raise named from error
                missing.append(named)
            else:
                port = listeners[0].socket.getsockname()[1]
        if not listeners:
            raise missing[0]
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
        for level, option, value in (*_KEEPALIVE, *_PROMPT):
            # What is accepted has the options of what listens (Linux: they are copied with it).
            with suppress(OSError):
                self._socket.setsockopt(level, option, value)
        self._log_after = -math.inf

    async def accept(self) -> trio.SocketStream:
        if self._accepted:
            return self._accepted.popleft()
        stream = await self._accept()
        self._accepted.extend(
            trio.SocketStream(trio.socket.from_stdlib_socket(accepted))
            for accepted, _ in self._accept_at_once()
        )
        return stream

    async def accept_in(
        self, reader: SharedReader, begin: Callable[[socket.socket, str], float]
    ) -> None:
        """Accept connections in the turns of a reader, for as long as it runs.

        That is a turn of Trio less for each connection.

        Args:
            reader: of all sockets.
            begin: is given each with the IP address of its client, as by `accept_sockets`; tells
                how many seconds it takes somebody else, who goes on now because of it.
        """
        number = self._socket.fileno()
        while True:
            waiter = _ConnectionWaiter(self, begin)
            if not reader.park(number, waiter):
                return
            try:
                await waiter.failed.wait()
            finally:
                reader.forget(number)
            if waiter.error is None:
                return
            await self._pause(waiter.error)

    def accept_some(self, most: int) -> list[tuple[socket.socket, str]]:
        """As `accept_sockets`, but only what is there already.

        Raises:
            OSError: there is no place for another connection, or the listener is of no use.
        """
        accepted: list[tuple[socket.socket, Any]] = []
        while len(accepted) < most:
            try:
                accepted.append(self._socket.accept())
            except BlockingIOError:
                break
            except OSError as error:
                if not accepted and error.errno in _NO_PLACE | _NO_LISTENER:
                    raise
                break
        return _unblocked(accepted)

    async def accept_sockets(self) -> list[tuple[socket.socket, str]]:
        """Wait for some connections, each with the IP address of its client; empty if it has none.

        Their sockets never block. They are watched as by `keep_alive`, and send at once.
        """
        while not (accepted := self._accept_at_once()):
            await trio.lowlevel.wait_readable(self._socket)
            try:
                accepted.append(self._socket.accept())
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno in _NO_PLACE | _NO_LISTENER:
                    await self._pause(error)
                continue
            accepted += self._accept_at_once()
            break
        return _unblocked(accepted)

    def _accept_at_once(self) -> list[tuple[socket.socket, Any]]:
        accepted: list[tuple[socket.socket, Any]] = []
        while len(accepted) < _AT_ONCE:
            try:
                accepted.append(self._socket.accept())
            except OSError:
                # Mostly that there is nothing more; what else it is, the next call meets too.
                break
        return accepted

    async def _accept(self) -> trio.SocketStream:
        """Wait for the next one, also while there is no place: then it waits in the kernel."""
        while True:
            try:
                return await self._listener.accept()
            except OSError as error:
                await self._pause(error)

    async def _pause(self, error: OSError) -> None:
        """Wait a little if there is no place for another connection.

        Raises:
            OSError: it is something else.
        """
        if error.errno not in _NO_PLACE:
            raise error
        if trio.current_time() >= self._log_after:
            logger.error("no connection can be accepted now: %s", error.strerror)
            self._log_after = trio.current_time() + _LOG_PAUSE
        await trio.sleep(_NO_PLACE_PAUSE)

    async def aclose(self) -> None:
        self._socket.close()
        for stream in self._accepted:
            stream.socket.close()
        self._accepted.clear()
        await self._listener.aclose()


class _ConnectionWaiter(ReadableTask):
    """What a reader tells of connections that wait to be accepted.

    Attributes:
        error: what keeps connections from being accepted.
        failed: set when they are not accepted here any more.
    """

    client_network = LISTENER

    def __init__(self, listener: EagerListener, begin: Callable[[socket.socket, str], float]):
        self._listener = listener
        self._begin = begin
        self._most = 1
        self.error: OSError | None = None
        self.failed = trio.Event()

    def read(self, number: int) -> float:
        try:
            accepted = self._listener.accept_some(self._most)
        except OSError as error:
            self.error = error
            self.failed.set()
            return 0.0
        # Mostly there is one; to look whether there is another costs as much as to accept it.
        self._most = min(2 * self._most, _AT_ONCE) if len(accepted) == self._most else 1
        return sum(self._begin(plain, address) for plain, address in accepted)

    def wake(self) -> None:
        self.failed.set()


def _unblocked(accepted: list[tuple[socket.socket, Any]]) -> list[tuple[socket.socket, str]]:
    for one, _ in accepted:
        one.setblocking(False)
    return [(one, str(name[0]) if isinstance(name, tuple) else "") for one, name in accepted]
