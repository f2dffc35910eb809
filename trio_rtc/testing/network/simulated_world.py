"""The world of programs on simulated hosts: its time is Trio's, and its chance that of a seed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import trio

from ...world import Address, ByteStream, DatagramSocket, World
from ..capture import BEGINNING
from .host import here, present_host
from .simulated_tcp import TcpConnection

if TYPE_CHECKING:
    from .network import Network

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class SimulatedWorld(World):
    """That of one network."""

    def __init__(self, network: Network):
        self._network = network
        self.network = self
        if network.capture is not None:
            self.log_keys = network.capture.add_keys

    def time(self) -> float:
        return BEGINNING + trio.current_time()

    def random_bytes(self, count: int) -> bytes:
        return self._network.random.randbytes(count)

    def uniform(self, low: float, high: float) -> float:
        return self._network.random.uniform(low, high)

    def interfaces(self) -> list[tuple[str, str]]:
        addresses = here().addresses
        return [("lo", "127.0.0.1"), *((f"eth{n}", each) for n, each in enumerate(addresses))]

    @asynccontextmanager
    async def address_changes(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        host = here()
        before = host.addresses

        async def changed() -> None:
            nonlocal before
            await host.address_changes.wait_until(lambda: host.addresses != before)
            before = host.addresses

        yield changed

    def source_for(self, to: str) -> str | None:
        try:
            return here().source_for(to)
        except OSError:
            return None

    async def run_in_thread(
        self,
        fn: Callable[[*Ts], T],
        *args: *Ts,
        limiter: trio.CapacityLimiter | None = None,
        abandon_on_cancel: bool = False,
    ) -> T:
        await trio.lowlevel.checkpoint()
        return fn(*args)

    def place(self) -> str:
        host = present_host()
        return "" if host is None else host.name

    def note(self, kind: str, who: str, text: str, data: bytes | None = None) -> None:
        self._network.record.note(trio.current_time(), kind, who, text, data)

    # As asyncio loops see it.

    def bind_datagrams(
        self, local: Address, receive: Callable[[bytes, Address], None]
    ) -> DatagramSocket:
        return here().bind(local, receive)

    def open_stream(
        self,
        to: Address,
        on_open: Callable[[], None],
        on_data: Callable[[bytes], None],
        on_end: Callable[[OSError | None], None],
    ) -> ByteStream:
        return _SimulatedStream(here().connect(to), on_open, on_data, on_end)

    def resolve(self, name: str) -> Sequence[str]:
        return self._network.resolve(name)


class _SimulatedStream:
    def __init__(
        self,
        connection: TcpConnection,
        on_open: Callable[[], None],
        on_data: Callable[[bytes], None],
        on_end: Callable[[OSError | None], None],
    ):
        self._connection = connection
        self._on_open: Callable[[], None] | None = on_open
        self._on_data = on_data
        self._on_end: Callable[[OSError | None], None] | None = on_end
        connection.on_change = self._look
        connection.open()

    def _look(self) -> None:
        connection = self._connection
        if connection.is_open and self._on_open is not None:
            on_open, self._on_open = self._on_open, None
            on_open()
        if connection.received:
            self._on_data(connection.read(len(connection.received)))
        if (connection.has_ended or connection.is_gone) and self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end(connection.error)

    def write(self, data: bytes) -> None:
        self._connection.write(data)

    def finish(self) -> None:
        self._connection.close()

    def abort(self) -> None:
        self._connection.abort()

    def addresses(self) -> tuple[Address, Address]:
        return self._connection.local, self._connection.remote
