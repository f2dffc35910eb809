"""Trio's TCP sockets on simulated hosts: what Trio, httpx and WebSockets open, they open there.

Trio itself asks who makes its sockets and looks up names (`trio.socket.set_custom_socket_factory`,
`trio.socket.set_custom_hostname_resolver`); a program sees no difference.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from ipaddress import ip_address
from typing import Any, Final

import trio

from ...world import Address
from .host import WILDCARDS, Host, here, refuse
from .packets import TcpSegment
from .simulated_tcp import TcpConnection

_KEEP_ALIVE: Final = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): "on",
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): "idle",
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): "step",
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): "count",
}
_DEFAULTS: Final = {"on": 0, "idle": 7200, "step": 75, "count": 9}


class SimulatedSockets(trio.abc.SocketFactory):
    """Makes them."""

    def socket(self, family: Any = None, type: Any = None, proto: Any = None) -> Any:  # noqa: A002
        if type not in (None, socket.SOCK_STREAM):
            raise NotImplementedError("of Trio's own sockets only those of TCP are simulated")
        return SimulatedSocket(here(), socket.AF_INET if family is None else family)


class SimulatedNames(trio.abc.HostnameResolver):
    """Looks names up: those of hosts, and addresses.

    Args:
        resolve: gives the addresses of a name.
    """

    def __init__(self, resolve: Any):
        self._resolve = resolve

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        await trio.lowlevel.checkpoint()
        name = (host or b"").decode("ascii") if not isinstance(host, str) else host
        if not name:
            found = ["0.0.0.0", "::"] if flags & socket.AI_PASSIVE else ["127.0.0.1"]
        else:
            found = list(self._resolve(name))
        kind = socket.SOCK_STREAM if not type else socket.SocketKind(type)
        entries = [
            (_family(address), kind, 6, "", (address, int(port or 0)))
            for address in found
            if family in (0, _family(address))
        ]
        if not entries:
            raise socket.gaierror(socket.EAI_NONAME, f"no simulated host is called {name!r}")
        return entries

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        await trio.lowlevel.checkpoint()
        return str(sockaddr[0]), str(sockaddr[1])


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET


class SimulatedSocket(trio.socket.SocketType):
    """A TCP socket of a host: one that listens, or one end of a connection."""

    def __init__(self, host: Host, family: Any, connection: TcpConnection | None = None) -> None:
        self._host = host
        self._family = socket.AddressFamily(family)
        self._local: Address = ("", 0)
        self._connection: TcpConnection | None = None
        self._accepted: deque[TcpConnection] | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self._is_closed = False
        self._has_shut = False
        self._keep_alive = dict(_DEFAULTS)
        # How many sockets have this connection open.
        self._holders = [1]
        if connection is not None:
            self._adopt(connection)

    def _adopt(self, connection: TcpConnection) -> None:
        self._connection = connection
        self._local = connection.local
        connection.on_change = self._wake
        self._set_keep_alive()

    def _wake(self) -> None:
        self._changed.unpark_all()

    # Who it is.

    @property
    def family(self) -> socket.AddressFamily:
        return self._family

    @property
    def type(self) -> socket.SocketKind:
        return socket.SOCK_STREAM

    @property
    def proto(self) -> int:
        return socket.IPPROTO_TCP

    @property
    def did_shutdown_SHUT_WR(self) -> bool:  # noqa: N802
        return self._has_shut

    def fileno(self) -> int:
        return -1

    def getsockname(self) -> Any:
        return self._local

    def getpeername(self) -> Any:
        if self._connection is None:
            raise refuse(errno.ENOTCONN)
        return self._connection.remote

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        if (level, optname) == (socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return int(self._accepted is not None)
        return self._keep_alive.get(_KEEP_ALIVE.get((level, optname), ""), 0)

    def setsockopt(self, level: int, optname: int, value: Any, optlen: int | None = None) -> None:
        if (name := _KEEP_ALIVE.get((level, optname))) is not None:
            self._keep_alive[name] = value
            self._set_keep_alive()

    def _set_keep_alive(self) -> None:
        if self._connection is not None and self._keep_alive["on"]:
            asks = self._keep_alive
            self._connection.set_keep_alive(asks["idle"], asks["step"], asks["count"])

    def __enter__(self) -> SimulatedSocket:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<simulated socket of {self._host.name}>"

    # What it does.

    async def bind(self, address: Any) -> None:
        await trio.lowlevel.checkpoint()
        self._local = self._host.free_address(address[0], address[1], self._host.listeners)

    def listen(self, backlog: int = 128) -> None:
        if self._local in self._host.listeners:
            raise refuse(errno.EADDRINUSE)
        self._accepted = deque()
        self._host.listeners[self._local] = self._take

    def _take(self, connection: TcpConnection, _: TcpSegment) -> None:
        assert self._accepted is not None
        self._accepted.append(connection)
        self._wake()

    async def accept(self) -> Any:
        await trio.lowlevel.checkpoint()
        while not self._accepted:
            self._check()
            await self._changed.park()
        self._check()
        connection = self._accepted.popleft()
        return SimulatedSocket(self._host, self._family, connection), connection.remote

    async def connect(self, address: Any) -> None:
        await trio.lowlevel.checkpoint()
        self._check()
        to = (address[0], address[1])
        if to[0] in WILDCARDS:
            to = ("127.0.0.1", to[1])
        connection = self._host.connect(to)
        self._adopt(connection)
        connection.open()
        try:
            while not connection.is_open:
                if connection.error is not None:
                    raise connection.error
                await self._changed.park()
        except BaseException:
            connection.abort()
            raise
        self._set_keep_alive()

    async def send(self, data: Any, flags: int = 0, /) -> int:
        await trio.lowlevel.checkpoint()
        while True:
            connection = self._working()
            if self._has_shut or connection.is_gone:
                raise refuse(errno.EPIPE)
            if room := connection.room:
                break
            await self._changed.park()
        piece = bytes(memoryview(data)[:room])
        connection.write(piece)
        return len(piece)

    async def recv(self, buflen: int, flags: int = 0, /) -> bytes:
        await trio.lowlevel.checkpoint()
        while True:
            self._check()
            connection = self._connection
            if connection is None:
                raise refuse(errno.ENOTCONN)
            if connection.received:
                return connection.read(buflen)
            self._working()
            if connection.has_ended or connection.is_gone:
                return b""
            await self._changed.park()

    def is_readable(self) -> bool:
        connection = self._connection
        return connection is not None and bool(
            connection.received or connection.has_ended or connection.is_gone
        )

    async def wait_writable(self) -> None:
        await trio.lowlevel.checkpoint()
        while not self._working().room:
            await self._changed.park()

    def shutdown(self, flag: int) -> None:
        connection = self._working()
        if flag in (socket.SHUT_WR, socket.SHUT_RDWR):
            self._has_shut = True
            connection.finish()

    def dup(self) -> SimulatedSocket:
        copy = SimulatedSocket(self._host, self._family, self._connection)
        copy._holders = self._holders
        self._holders[0] += 1
        return copy

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._holders[0] -= 1
        if self._connection is not None and not self._holders[0]:
            self._connection.close()
        if self._accepted is not None:
            self._host.listeners.pop(self._local, None)
            for connection in self._accepted:
                connection.abort()
        self._wake()

    def _check(self) -> None:
        if self._is_closed:
            raise refuse(errno.EBADF)

    def _working(self) -> TcpConnection:
        """Its connection, if it can be used.

        Raises:
            OSError: there is none, or it is broken.
        """
        self._check()
        if self._connection is None:
            raise refuse(errno.ENOTCONN)
        if self._connection.error is not None:
            raise self._connection.error
        return self._connection
