"""A network that fails, between the clients of the chaos run and its server."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import trio


class Connection:
    """One connection through the network: two streams, and what has become of them."""

    def __init__(self, client: trio.SocketStream, server: trio.SocketStream):
        self._client = client
        self._server = server
        self._scope = trio.CancelScope()
        self._flows = trio.Event()
        self._flows.set()
        self._is_half_open = False
        self._over = trio.Event()

    async def serve(self) -> None:
        """Pass bytes on until it ends."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, self._client, self._server)
                    nursery.start_soon(self._pump, self._server, self._client)
            if self._is_half_open:
                await self._over.wait()
        finally:
            await trio.aclose_forcefully(self._client)
            await trio.aclose_forcefully(self._server)

    async def _pump(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        try:
            async for data in source:
                await self._flows.wait()
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self._scope.cancel()

    def cut(self) -> None:
        """Break it, with whatever is on its way."""
        self._scope.cancel()
        self._over.set()

    def freeze(self) -> None:
        """Let nothing through, and tell nobody."""
        self._flows = trio.Event()

    def thaw(self) -> None:
        """Let it through again."""
        self._flows.set()

    async def half_open(self, seconds: float) -> None:
        """Break it for one of the two only, of whom the other hears later or not at all."""
        self._is_half_open = True
        self._scope.cancel()
        try:
            await trio.aclose_forcefully(random.choice([self._client, self._server]))
            await trio.sleep(seconds)
        finally:
            self._over.set()


class Network:
    """Connections to a server, and faults.

    Attributes:
        faults: how often each has been made.
    """

    def __init__(self, target: int, seed: int):
        self.faults: Counter[str] = Counter()
        self._target = target
        self._random = random.Random(seed)
        self._connections: set[Connection] = set()
        self._is_up = True

    async def serve(self, client: trio.SocketStream) -> None:
        if not self._is_up:
            await trio.aclose_forcefully(client)
            return
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self._target)
        except OSError:
            await trio.aclose_forcefully(client)
            return
        connection = Connection(client, server)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)

    async def fail(self, pause: float) -> None:
        """Make faults, one after so many seconds."""
        faults: list[tuple[Callable[[Connection], object], float]] = [
            (self._cut, 5),
            (self._freeze, 3),
            (self._half_open, 3),
            (self._cut_all, 0.1),
            (self._go_down, 0.1),
        ]
        kinds, weights = zip(*faults, strict=True)
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(self._random.expovariate(1 / pause))
                if self._connections:
                    connection = self._random.choice(list(self._connections))
                    (fault,) = self._random.choices(kinds, weights)
                    self.faults[fault.__name__.strip("_")] += 1
                    nursery.start_soon(fault, connection)

    async def _cut(self, connection: Connection) -> None:
        connection.cut()

    async def _freeze(self, connection: Connection) -> None:
        connection.freeze()
        try:
            await trio.sleep(self._random.choice([0.1, 1, 10]))
        finally:
            connection.thaw()

    async def _half_open(self, connection: Connection) -> None:
        await connection.half_open(self._random.choice([0.1, 1, 10]))

    async def _cut_all(self, _: object) -> None:
        for connection in list(self._connections):
            connection.cut()

    async def _go_down(self, _: object) -> None:
        self._is_up = False
        try:
            await self._cut_all(None)
            await trio.sleep(self._random.uniform(0, 3))
        finally:
            self._is_up = True
