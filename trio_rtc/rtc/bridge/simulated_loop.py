"""A stepped loop on a simulated network: its clock is Trio's, and no socket is the machine's.

What libraries ask a loop for, time, datagrams, connections, names and threads, they get from the
network of this run (`trio_rtc.world`). A thread is none: what would run in one runs at once.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final, TypeVar, TypeVarTuple

import trio

from ...world import Address, SimulatedNetwork, world
from .stepped_loop import Selector, SteppedLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Of Linux's <linux/in.h> and <linux/in6.h>; Python has no names for them.
_MTU_DISCOVER: Final = {(socket.IPPROTO_IP, 10), (socket.IPPROTO_IPV6, 23)}
_DO: Final = 2


class SimulatedLoop(SteppedLoop):
    """A stepped loop whose network is simulated.

    Args:
        selector: of a stepped loop.
        network: where its sockets are.
        call: calls something on this loop, from Trio.
    """

    def __init__(
        self,
        selector: Selector,
        network: SimulatedNetwork,
        call: Callable[[Callable[[], object]], None],
    ):
        super().__init__(selector)
        self._network = network
        self._call = call

    def time(self) -> float:
        return trio.current_time()

    def from_network(self, fn: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        """The same function, called on the loop, where what it starts belongs to the caller."""
        context = copy_context()

        def call(*args: *Ts) -> None:
            # As asyncio calls what waits for a socket: what it raises is told, and ends nothing.
            if not self.is_closed():
                self._call(lambda: self.call_soon(fn, *args, context=context))

        return call

    async def create_datagram_endpoint(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], Any],
        local_addr: Address | None = None,
        remote_addr: Address | None = None,
        **options: Any,
    ) -> tuple[asyncio.DatagramTransport, Any]:
        if options:
            raise NotImplementedError(f"a simulated socket has no {', '.join(options)}")
        if remote_addr is not None:
            remote_addr = (await self._addresses(remote_addr[0]))[0], remote_addr[1]
            local_addr = local_addr or (world().source_for(remote_addr[0]) or "", 0)
        protocol = protocol_factory()
        transport = _Datagrams(self, self._network, protocol, local_addr or ("", 0), remote_addr)
        protocol.connection_made(transport)
        return transport, protocol

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], Any],
        host: str,
        port: int,
        *,
        ssl: object = None,
    ) -> tuple[asyncio.Transport, Any]:
        if ssl:
            raise OSError(errno.EPROTONOSUPPORT, "there is no TLS in simulated connections")
        protocol = protocol_factory()
        address = (await self._addresses(host))[0], port
        transport = _StreamTransport(self, self._network, protocol, address)
        await transport.opened
        protocol.connection_made(transport)
        return transport, protocol

    async def getaddrinfo(  # type: ignore[override]
        self,
        host: str,
        port: int,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002
        **_: Any,
    ) -> list[tuple[Any, ...]]:
        families = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (families[version], type, 0, "", (address, port))
            for address in await self._addresses(host)
            if (version := 6 if ":" in address else 4) and family in (0, families[version])
        ]

    async def _addresses(self, host: str) -> list[str]:
        found = self._network.resolve(host)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, f"no simulated host is called {host!r}")
        return list(found)

    def run_in_executor(
        self, executor: object, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # It is for whoever waits for it.
            done.set_exception(error)
        return done


class _SimulatedTransport(asyncio.BaseTransport):
    """What the transports of both kinds of sockets do alike."""

    def __init__(self, loop: SimulatedLoop, protocol: Any):
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._is_closing = False

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._close_socket()
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def _close_socket(self) -> None:
        raise NotImplementedError


class _Datagrams(_SimulatedTransport, asyncio.DatagramTransport):
    def __init__(
        self,
        loop: SimulatedLoop,
        network: SimulatedNetwork,
        protocol: Any,
        local: Address,
        remote: Address | None,
    ):
        super().__init__(loop, protocol)
        self._remote = remote
        self._socket = network.bind_datagrams(local, loop.from_network(self._receive))

    def _receive(self, data: bytes, source: Address) -> None:
        if not self._is_closing and self._remote in (None, source):
            self._protocol.datagram_received(data, source)

    def sendto(self, data: Any, addr: Any = None) -> None:
        to = addr or self._remote
        if self._is_closing or to is None:
            return
        try:
            self._socket.send(bytes(data), (to[0], to[1]))
        except OSError as error:
            self._protocol.error_received(error)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "sockname":
            return self._socket.address
        if name == "peername":
            return self._remote
        return _SocketOptions(self._socket) if name == "socket" else default

    def _close_socket(self) -> None:
        self._socket.close()


class _SocketOptions:
    """What is set on the socket of a transport."""

    def __init__(self, sock: Any):
        self._socket = sock
        self.family = socket.AF_INET6 if ":" in sock.address[0] else socket.AF_INET

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if (level, option) in _MTU_DISCOVER:
            self._socket.dont_fragment = value >= _DO


class _StreamTransport(_SimulatedTransport, asyncio.Transport):
    def __init__(self, loop: SimulatedLoop, network: SimulatedNetwork, protocol: Any, to: Address):
        super().__init__(loop, protocol)
        self._to = to
        self.opened: asyncio.Future[None] = loop.create_future()
        self._stream = network.open_stream(
            to,
            loop.from_network(self._on_open),
            loop.from_network(self._on_data),
            loop.from_network(self._on_end),
        )
        self.opened.add_done_callback(self._abandon)

    def _abandon(self, opened: asyncio.Future[None]) -> None:
        if opened.cancelled():
            self._stream.abort()

    def _on_open(self) -> None:
        if not self.opened.done():
            self.opened.set_result(None)

    def _on_data(self, data: bytes) -> None:
        if not self._is_closing:
            self._protocol.data_received(data)

    def _on_end(self, error: OSError | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(
                error or OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
            )
        elif not self._is_closing:
            self._is_closing = True
            self._stream.abort()
            self._protocol.connection_lost(error)

    def write(self, data: Any) -> None:
        if not self._is_closing:
            self._stream.write(bytes(data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername":
            return self._to
        return self._stream.addresses()[0] if name == "sockname" else default

    def _close_socket(self) -> None:
        self._stream.finish()
