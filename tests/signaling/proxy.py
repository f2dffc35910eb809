"""A TCP proxy between client and server, which stands for the network: it can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import trio


class Proxy:
    """Passes bytes on while it is `up`.

    Attributes:
        target: the server's port on loopback.
        accepted: how many connections were passed on.
        up: whether new connections are.
        stalled: set this to let nothing through, without anybody being told.
        forbids: what it must not see of a client: it breaks the connection then.
    """

    forbids: Callable[[bytes], bool] | None = None

    def __init__(self, target: int):
        self.target = target
        self._connections: set[trio.CancelScope] = set()
        self._clients: set[trio.SocketStream] = set()
        self._flowing = trio.Event()
        self._flowing.set()
        self.accepted = 0
        self._accepted = trio.lowlevel.ParkingLot()
        self.up = True
        self._swallowed: set[trio.CancelScope] = set()

    def swallow(self) -> None:
        """Have what is said on the connections that there are now vanish, and tell nobody."""
        self._swallowed |= self._connections

    def cut(self) -> None:
        """Break all connections."""
        for scope in self._connections:
            scope.cancel()

    async def say(self, data: bytes) -> None:
        """Say this to all clients, as if it came from the server, and break their connections."""
        for client in tuple(self._clients):
            # One that has just gone does not miss it.
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await client.send_all(data)
        self.cut()

    def stall(self) -> None:
        """Let nothing through, and tell nobody."""
        self._flowing = trio.Event()

    def flow(self) -> None:
        """Let it through again."""
        self._flowing.set()

    async def wait_accepted(self, count: int) -> None:
        """Wait until that many connections were passed on."""
        while self.accepted < count:
            await self._accepted.park()

    async def serve(self, client: trio.SocketStream) -> None:
        if not self.up:
            await trio.aclose_forcefully(client)
            return
        self.accepted += 1
        self._accepted.unpark_all()
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            await trio.aclose_forcefully(client)
            return
        async with client, server, trio.open_nursery() as nursery:
            scope = nursery.cancel_scope
            self._connections.add(scope)
            self._clients.add(client)
            nursery.start_soon(self._pump, client, server, scope)
            nursery.start_soon(self._pump, server, client, scope)
        self._connections.discard(scope)
        self._clients.discard(client)

    async def _pump(
        self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            async for data in source:
                await self._flowing.wait()
                if scope in self._swallowed:
                    continue
                forbids = self.forbids if source in self._clients else None
                if forbids is not None and forbids(bytes(data)):
                    scope.cancel()
                await sink.send_all(data)
            await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            scope.cancel()


@asynccontextmanager
async def open_proxy(target: int) -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy to a port on loopback, and the port that it has itself."""
    proxy = Proxy(target)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, proxy.serve, 0)
        yield proxy, listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()
