"""The world as this program meets it: time, chance, addresses, threads and networks come in here.

By default they are those of the machine. A run of Trio may have another world, as a simulated
network is (`trio_rtc.testing.Network`): then a whole call runs in virtual time, from a seed.
Time that passes is `trio.current_time`, and on the asyncio loop that loop's own.
"""

from __future__ import annotations

import base64
import os
import random
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol, TypeVar, TypeVarTuple, final

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Address = tuple[str, int]


class DatagramSocket(Protocol):
    """A UDP socket of a simulated network.

    Attributes:
        address: where it is bound.
        dont_fragment: whether what it sends is lost where it does not fit as a whole.
    """

    address: Address
    dont_fragment: bool

    def send(self, data: bytes, to: Address) -> None:
        """Send a datagram.

        Raises:
            OSError: it cannot leave this host.
        """

    def close(self) -> None:
        """Receive nothing more."""


class ByteStream(Protocol):
    """A TCP connection of a simulated network."""

    def write(self, data: bytes) -> None: ...
    def finish(self) -> None: ...
    def abort(self) -> None: ...
    def addresses(self) -> tuple[Address, Address]: ...


class SimulatedNetwork(Protocol):
    """What an asyncio loop needs of a network that takes the place of the machine's."""

    def bind_datagrams(
        self, local: Address, receive: Callable[[bytes, Address], None]
    ) -> DatagramSocket:
        """A UDP socket of the host that the caller is on; port 0 is a free one."""

    def open_stream(
        self,
        to: Address,
        on_open: Callable[[], None],
        on_data: Callable[[bytes], None],
        on_end: Callable[[OSError | None], None],
    ) -> ByteStream:
        """A TCP connection from the host that the caller is on.

        ``on_end`` is called once, also for a connection that was never open.
        """

    def resolve(self, name: str) -> Sequence[str]:
        """The addresses that a name stands for."""


class World:
    """That of this machine.

    Attributes:
        network: what takes the place of the machine's sockets; None: nothing does.
        log_keys: is told the secrets of connections, as lines of a TLS key log; None: nobody is.
    """

    network: SimulatedNetwork | None = None
    log_keys: Callable[[bytes], None] | None = None

    def time(self) -> float:
        """The time of day, in seconds since 1970."""
        return time.time()

    def random_bytes(self, count: int) -> bytes:
        """Bytes that nobody can guess."""
        return os.urandom(count)

    def random_hex(self, count: int) -> str:
        """The same as hexadecimal digits, two for each byte."""
        return self.random_bytes(count).hex()

    def random_token(self, count: int) -> str:
        """The same as text that may stand in a URL."""
        return base64.urlsafe_b64encode(self.random_bytes(count)).rstrip(b"=").decode()

    def random_uuid(self) -> str:
        """A UUID (RFC 9562, section 5.4)."""
        return str(uuid.UUID(bytes=self.random_bytes(16), version=4))

    def uniform(self, low: float, high: float) -> float:
        """A number between these, for pauses that are not to be all alike."""
        return random.uniform(low, high)

    def interfaces(self) -> list[tuple[str, str]]:
        """The IP addresses of this machine, each with the name of its interface."""
        import ifaddr

        return [
            (adapter.name, found.ip if isinstance(found.ip, str) else found.ip[0])
            for adapter in ifaddr.get_adapters()
            for found in adapter.ips
        ]

    def address_changes(self) -> AbstractAsyncContextManager[Callable[[], Awaitable[None]]]:
        """What is opened gives a function: it waits until `interfaces`, or the ways out of this
        machine, may be others than when it was opened, or last returned.
        """
        from .netlink import open_address_changes

        return open_address_changes()

    def source_for(self, to: str) -> str | None:
        """The address of ours from which packets go to an IP address; None: there is no way."""
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((to, 9))
            except OSError:
                return None
            source: str = sock.getsockname()[0]
            return source

    async def run_in_thread(
        self,
        fn: Callable[[*Ts], T],
        *args: *Ts,
        limiter: trio.CapacityLimiter | None = None,
        abandon_on_cancel: bool = False,
    ) -> T:
        """Call what takes long, or may wait for the machine, beside Trio."""
        return await trio.to_thread.run_sync(
            partial(fn, *args), limiter=limiter, abandon_on_cancel=abandon_on_cancel
        )

    def place(self) -> str:
        """The name of the simulated host that the caller is on; empty on this machine."""
        return ""

    def note(self, kind: str, who: str, text: str, data: bytes | None = None) -> None:
        """Tell whoever keeps a transcript what happens; nobody does by default.

        Args:
            kind: ``signaling``: a message; ``state``: of a call; ``connection``: the states of
                its connection.
            who: the name of the party.
            text: what.
            data: the message.
        """


@final
class _Real(World):
    pass


REAL = _Real()

_of_this_run: trio.lowlevel.RunVar[World] = trio.lowlevel.RunVar("world", REAL)


def world() -> World:
    """The world of the present run of Trio; outside of one, and in threads, that of the machine."""
    try:
        return _of_this_run.get()
    except RuntimeError:
        return REAL


def set_world(other: World) -> None:
    """Have this run of Trio be in another world from here on."""
    _of_this_run.set(other)
