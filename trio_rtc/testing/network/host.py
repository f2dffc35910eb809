"""A host of a simulated network: its addresses and sockets, and the tasks of its programs."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

import outcome
import trio

from ...tasks import Changes
from ...world import Address
from .packets import Packet, TcpSegment
from .segments import LOCAL, Attachment
from .simulated_tcp import TcpConnection
from .simulated_udp import UdpSocket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .nat import Nat
    from .network import Network
    from .network_link import Link

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

WILDCARDS: Final = ("", "0.0.0.0", "::")
FIRST_PORT: Final = 49_152

_within: ContextVar[tuple[Host, ...]] = ContextVar("simulated hosts", default=())
"""The hosts whose blocks the caller is in; it is on the last one."""


class HostCrashed(Exception):
    """The host on which something ran has crashed."""


def refuse(number: int) -> OSError:
    """What a socket call raises."""
    return OSError(number, os.strerror(number))


def here() -> Host:
    """The host that the caller is on; RuntimeError: it is on none."""
    host = present_host()
    if host is None:
        raise RuntimeError(
            "this runs on no simulated host: begin it with host.run, host.start_soon or `with host`"
        )
    return host


def present_host() -> Host | None:
    """The host that the caller is on, if it is on one."""
    hosts = _within.get()
    return hosts[-1] if hosts else None


class Host:
    """A machine. Programs run on it in tasks, and know no other network than its own.

    It is a context manager: what is begun in the block is on this host.

    Attributes:
        name: of it, by which others find it as well (`open_tcp_stream("server", 80)`).
        is_up: whether it runs; one that has crashed does not, until `restart`.
        router: behind which it is; None: none.
    """

    def __init__(self, network: Network, name: str):
        self.name = name
        self.is_up = True
        self.router: Nat | None = None
        self.udp: dict[Address, UdpSocket] = {}
        self.listeners: dict[Address, Callable[[TcpConnection, TcpSegment], None]] = {}
        self.connections: dict[tuple[Address, Address], TcpConnection] = {}
        self.network = network
        self.address_changes = Changes()
        self._attachments: list[Attachment] = []
        self._links: list[Link] = []  # Out and in, of its network or of the next one.
        self._moves = self._crashes = 0
        self._port = FIRST_PORT
        self._tasks: list[trio.CancelScope] = []
        self._idle = trio.Event()

    # Its place in the network.

    @property
    def addresses(self) -> list[str]:
        """Its IP addresses; empty where it is on no network."""
        return [address for each in self._attachments for address in each.addresses]

    @property
    def address(self) -> str:
        """The first of them.

        Raises:
            OSError: it has none.
        """
        if not self.addresses:
            raise refuse(errno.ENETUNREACH)
        return self.addresses[0]

    @property
    def attachments(self) -> list[Attachment]:
        """Its links."""
        return self._attachments

    def attach(self, attachment: Attachment) -> None:
        self._attachments.append(attachment)
        self._links = [attachment.up.link, attachment.down.link]
        self.address_changes.notify()

    def set_link(self, *, up: bool = True, down: bool = True, **changes: Any) -> None:
        """Change what its link, or its next one, is like from here on: ``loss=0.05``, …

        Args:
            up: whether on the way out.
            down: whether on the way in.
            changes: attributes of `Link`.

        Raises:
            TypeError, ValueError: a link has none of this name, or not this value.
        """
        for attachment in self._attachments:
            attachment.change(up, down, **changes)
        for way in (0,) * up + (1,) * down:
            self._links[way] = replace(self._links[way], **changes)
        self.network.note(self, "link", ", ".join(f"{k} {v}" for k, v in changes.items()))

    def unplug(self) -> None:
        """Have everything that goes in and out vanish, without anybody being told."""
        self.set_link(is_up=False)

    def plug(self) -> None:
        """Have packets go in and out again, after `unplug`."""
        self.set_link(is_up=True)

    def leave(self) -> None:
        """Be on no network until it moves to one, and have no route; what was open is lost."""
        for attachment in self._attachments:
            attachment.remove()
        self._attachments.clear()
        self.address_changes.notify()

    def move(self, router: Nat | None = None) -> None:
        """Go to another network, with another address; what it had open is lost without a word.

        Args:
            router: behind which it is then; None: on the internet itself.
        """
        self.leave()
        self._moves += 1
        up, down = self._links
        self.network.attach(self, f"{self.name} {self._moves}", router, up, down)
        self.network.note(self, "moved", self.address)

    # Its programs.

    def __enter__(self) -> Host:
        _within.set((*_within.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        _within.set(_within.get()[:-1])

    def start_soon(self, fn: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
        """Start a program, which runs until it returns, or the network or the host ends.

        An exception of it ends the block of the network.
        """
        self.network.nursery.start_soon(self._run_program, fn, *args)

    async def start(self, fn: Callable[..., Awaitable[object]], *args: object) -> Any:
        """Start a program and wait until it says that it has started (`trio.Nursery.start`).

        Raises:
            HostCrashed: the host has crashed before that.
        """
        crashes = self._crashes
        try:
            return await self.network.nursery.start(self._run_started, fn, *args)
        except RuntimeError as error:
            # Trio's own, about a program that has ended without a word.
            if self._crashes == crashes or type(error) is not RuntimeError:
                raise
            raise HostCrashed(f"{self.name} has crashed") from None

    async def run(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Run a function on this host and return what it returns.

        Raises:
            HostCrashed: the host has crashed meanwhile.
        """
        result: outcome.Outcome[T] | None = None
        with self._scope() as scope, self:
            result = await outcome.acapture(fn, *args)
            if isinstance(result, outcome.Error) and isinstance(result.error, trio.Cancelled):
                result.unwrap()
        if scope.cancelled_caught or result is None:
            raise HostCrashed(f"{self.name} has crashed")
        return result.unwrap()

    async def _run_program(self, fn: Callable[..., Awaitable[object]], *args: object) -> None:
        with self._scope(), self:
            await fn(*args)

    async def _run_started(
        self,
        fn: Callable[..., Awaitable[object]],
        *args: object,
        task_status: trio.TaskStatus[Any],
    ) -> None:
        with self._scope(), self:
            await fn(*args, task_status=task_status)

    @contextmanager
    def _scope(self) -> Iterator[trio.CancelScope]:
        if not self.is_up:
            raise HostCrashed(f"{self.name} has crashed, and was not restarted")
        scope = trio.CancelScope()
        self._tasks.append(scope)
        try:
            with scope:
                yield scope
        finally:
            self._tasks.remove(scope)
            if not self._tasks:
                self._idle.set()

    def crash(self) -> None:
        """Stop all of its programs at once; nobody is told, and nothing of theirs gets out."""
        self.is_up = False
        self._crashes += 1
        self.network.note(self, "crashed", "")
        self._idle = trio.Event()
        for connection in list(self.connections.values()):
            connection.vanish()
        self.udp.clear()
        self.listeners.clear()
        for scope in self._tasks:
            scope.cancel()

    async def restart(self) -> None:
        """Start again, with no program; one that runs crashes first."""
        if self.is_up:
            self.crash()
        while self._tasks:
            await self._idle.wait()
        await trio.lowlevel.checkpoint()
        self.udp.clear()
        self.listeners.clear()
        self.connections.clear()
        self.is_up = True
        self.network.note(self, "restarted", "")

    # Its sockets.

    def free_address(self, host: str, port: int, taken: Any) -> Address:
        """An address to bind a socket to.

        Raises:
            OSError: the host has no such address, or it is taken.
        """
        if host not in (*WILDCARDS, *LOCAL, *self.addresses):
            raise refuse(errno.EADDRNOTAVAIL)
        if port:
            if (host, port) in taken:
                raise refuse(errno.EADDRINUSE)
            return host, port
        while True:
            self._port = FIRST_PORT + (self._port - FIRST_PORT + 1) % (65_536 - FIRST_PORT)
            if (host, self._port) not in taken:
                return host, self._port

    def bind(self, local: Address, receive: Callable[[bytes, Address], None]) -> UdpSocket:
        """A UDP socket.

        Raises:
            OSError: the host has no such address, or it is taken.
        """
        address = self.free_address(*local, self.udp)
        self.udp[address] = sock = UdpSocket(self, address, receive)
        return sock

    def source_for(self, destination: str, bound: str = "") -> str:
        """The address from which something goes there.

        Raises:
            OSError: there is no way.
        """
        if bound not in WILDCARDS:
            return bound
        if destination in LOCAL:
            return destination
        for address in self.addresses:
            if (":" in address) == (":" in destination):
                return address
        raise refuse(errno.ENETUNREACH)

    def send_datagram(self, sock: UdpSocket, data: bytes, to: Address) -> None:
        if not self._attachments and self.is_up and to[0] not in LOCAL:
            raise refuse(errno.ENETUNREACH)
        source = self.source_for(to[0], sock.address[0]), sock.address[1]
        fragment = not sock.dont_fragment
        self.send(Packet(source, to, "udp", data, may_fragment=fragment, origin=self.name))

    def send(self, packet: Packet) -> None:
        """Send a packet.

        Raises:
            OSError: it is too large for the link that it leaves by.
        """
        if not self.is_up:
            return
        if packet.destination[0] in (*LOCAL, *self.addresses):
            self.network.events.after(0, lambda: self.receive(packet))
            return
        for attachment in self._attachments:
            if packet.source[0] in attachment.addresses:
                if packet.size > attachment.up.link.mtu and not packet.may_fragment:
                    raise refuse(errno.EMSGSIZE)
                self.network.sent(self, packet)
                attachment.leave(packet)
                return
        # The address has gone, as a phone's that has left a network.
        self.network.lost(None, packet, "its address is gone")

    def receive(self, packet: Packet) -> None:
        """Take a packet that has come."""
        if not self.is_up:
            self.network.lost(None, packet, "crashed")
        elif self.network.is_cut(packet.origin, self.name):
            self.network.lost(None, packet, "cut off")
        elif packet.protocol == "udp":
            sock = _find(self.udp, packet.destination)
            if sock is None:
                self.network.lost(None, packet, "no socket")
            else:
                self.network.received(self, packet)
                sock.receive(packet.data, packet.source)
        else:
            self.network.received(self, packet)
            self._receive_segment(packet)

    def _receive_segment(self, packet: Packet) -> None:
        segment = packet.segment
        assert segment is not None
        connection = self.connections.get((packet.destination, packet.source))
        if connection is not None:
            connection.receive(segment)
            return
        listen = _find(self.listeners, packet.destination)
        if segment.flags == "S" and listen is not None:
            connection = self.connect(packet.source, packet.destination)
            connection.accept(segment)
            listen(connection, segment)
        elif "R" not in segment.flags:
            answer = TcpSegment("RA", segment.acknowledged, segment.sequence + 1)
            self.carry(packet.destination, packet.source, answer)

    def carry(self, source: Address, to: Address, segment: TcpSegment) -> None:
        """Send what TCP says."""
        self.send(Packet(source, to, "tcp", segment.data, segment, origin=self.name))

    def connect(self, to: Address, local: Address | None = None) -> TcpConnection:
        """One end of a TCP connection, which is not open yet."""
        if local is None:
            local = self.free_address(self.source_for(to[0]), 0, self.connections)
        key = (local, to)
        connection = TcpConnection(
            self.network.events, self, local, to, lambda: self._forget(key, connection)
        )
        self.connections[key] = connection
        return connection

    def _forget(self, key: tuple[Address, Address], connection: TcpConnection) -> None:
        if self.connections.get(key) is connection:
            del self.connections[key]

    def __repr__(self) -> str:
        return f"<Host {self.name}>"


def _find(bound: dict[Address, T], address: Address) -> T | None:
    host, port = address
    for where in (host, "", "0.0.0.0" if ":" not in host else "::"):
        if (found := bound.get((where, port))) is not None:
            return found
    return None
