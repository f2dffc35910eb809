"""A simulated network: hosts, links, routers, names, and the run of Trio that is in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import AsyncExitStack, ExitStack
from ipaddress import ip_address
from itertools import product
from random import Random
from typing import Any, Final

import trio
from trio.testing import MockClock

from ...tasks import open_background_nursery
from ...world import REAL, set_world
from ..capture import Capture
from ..leaving import LeftSimulation, sealed
from ..record import Record
from .due_events import DueEvents
from .host import Host
from .mischances import Fault, Faults
from .nat import UDP_SECONDS, Behaviour, Nat
from .network_link import Link
from .packets import Packet
from .segments import LOCAL, Attachment, NetworkSegment
from .simulated_world import SimulatedWorld
from .trio_sockets import SimulatedNames, SimulatedSockets
from .turn_server import TurnServer

WIRE: Final = Link(delay=0.01)
"""A link where nothing else is said: 40 ms from host to host and back."""


class Network:
    """Hosts that reach each other over links and routers, in virtual time.

    As an async context manager it takes the run of Trio that it is in out of the real world: what
    runs on its hosts has their addresses, sockets and names, time passes when there is nothing
    else to do, and all that is left to chance comes from the seed. `simulate` makes one for each
    seed. In a run of your own the clock has to be a `trio.testing.MockClock` that jumps by itself
    (``autojump_threshold=0``).

    Args:
        seed: any whole number; the same one makes the same run.
        only: what chance may do to packets; None: all that the seed has.
        captures: whether packets are kept for a capture file.

    Attributes:
        record: what has happened so far.
        faults: what chance has done to packets so far.
        capture: the packets, if they are kept.
        internet: the network that hosts are on which are behind no router.

    Raises:
        TypeError: the seed is no whole number.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        only: Collection[Fault] | None = None,
        captures: bool = False,
    ):
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise TypeError(f"a seed is a whole number, not {seed!r}")
        self.seed = seed
        self.record = Record()
        self.events = DueEvents()
        self.random = Random(f"{seed} entropy")
        self.faults = Faults(only)
        self.capture = Capture() if captures else None
        self.internet = NetworkSegment(self.events, seed, self.lost, "198.51.100", self.faults)
        self.hosts: dict[str, Host] = {}
        self.nursery: trio.Nursery
        self._routers: dict[str, Nat] = {}
        self._cuts: set[frozenset[str]] = set()
        self._stack = AsyncExitStack()
        self._left: LeftSimulation | None = None

    # A run of Trio.

    async def __aenter__(self) -> Network:
        clock = trio.lowlevel.current_clock()
        if not isinstance(clock, MockClock):
            raise RuntimeError(
                "a Network needs a run of Trio in virtual time: begin it with simulate(), or with "
                "trio.run(fn, clock=trio.testing.MockClock(autojump_threshold=0))"
            )
        await trio.lowlevel.checkpoint()
        async with AsyncExitStack() as stack:
            stack.enter_context(self._in_it())
            # Programs that end still have a network.
            carrying = await stack.enter_async_context(open_background_nursery())
            carrying.start_soon(self.events.run)
            self.nursery = await stack.enter_async_context(open_background_nursery())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: Any) -> bool | None:
        caught = await self._stack.__aexit__(*error)
        if self._left is not None and not isinstance(error[1], Exception):
            raise self._left
        return caught

    def _in_it(self) -> ExitStack:
        stack = ExitStack()
        stack.enter_context(sealed(self.random, self._note_leaving))
        sockets, names = SimulatedSockets(), SimulatedNames(self.resolve)
        stack.callback(
            trio.socket.set_custom_socket_factory, trio.socket.set_custom_socket_factory(sockets)
        )
        stack.callback(
            trio.socket.set_custom_hostname_resolver,
            trio.socket.set_custom_hostname_resolver(names),
        )
        set_world(SimulatedWorld(self))
        stack.callback(set_world, REAL)
        return stack

    def _note_leaving(self, error: LeftSimulation) -> None:
        self._left = self._left or error

    # What it is made of.

    def host(
        self,
        name: str,
        *,
        router: Nat | None = None,
        address: str | None = None,
        link: Link = WIRE,
        down: Link | None = None,
    ) -> Host:
        """A new host.

        Args:
            name: by which others find it, and which the record has.
            router: behind which it is; None: none.
            address: its IP address, of either version; one is chosen where none is given.
            link: to its network, each way, or
            down: otherwise on the way in.

        Raises:
            TypeError: this is no router, or no link.
            ValueError: there is a host or router of this name, or with this address, or there can
                be none.
        """
        self._check_name(name)
        host = Host(self, name)
        self.attach(host, name, router, link, down or link, address)
        self.hosts[name] = host
        return host

    def router(
        self,
        name: str,
        *,
        behind: Nat | None = None,
        address: str | None = None,
        link: Link = WIRE,
        mapping: Behaviour = "endpoint-independent",
        filtering: Behaviour = "address-and-port-dependent",
        keeps_ports: bool = True,
        hairpins: bool = False,
        udp: bool = True,
        udp_seconds: float = UDP_SECONDS,
    ) -> Nat:
        """A new router that translates addresses; `Nat` has what can be chosen.

        ``behind`` is another one, behind which it is itself.

        Raises:
            TypeError: this is no router, or no link.
            ValueError: there is one of this name, or this is no kind of RFC 4787.
        """
        self._check_name(name)
        if behind is not None:
            _check_kind(behind, Nat, "router", "network.router(…) makes one")
        _check_kind(link, Link, "link", "Link(delay=…) makes one")
        number = len(self._routers) + 1
        prefix = f"10.0.{number}"
        inner = NetworkSegment(self.events, self.seed, self.lost, prefix, self.faults)
        self._routers[name] = router = Nat(
            name,
            inner,
            self.internet if behind is None else behind.segment,
            address=address,
            link=link,
            mapping=mapping,
            filtering=filtering,
            keeps_ports=keeps_ports,
            hairpins=hairpins,
            udp=udp,
            udp_seconds=udp_seconds,
        )
        return router

    def turn_server(
        self,
        name: str = "turn",
        *,
        username: str = "user",
        password: str = "secret",
        address: str | None = None,
        link: Link = WIRE,
    ) -> TurnServer:
        """A new host with a STUN and TURN server on it.

        Raises:
            ValueError: there is a host of this name, or with this address.
        """
        return TurnServer(self.host(name, address=address, link=link), username, password)

    def _check_name(self, name: str) -> None:
        if not name or name == "localhost":
            raise ValueError(f"a host or router cannot be called {name!r}")
        if name in self.hosts or name in self._routers:
            raise ValueError(f"there is a host or router called {name!r} already")

    def attach(
        self,
        host: Host,
        name: str,
        router: Nat | None,
        up: Link,
        down: Link,
        address: str | None = None,
    ) -> None:
        """Have a host be on a network."""
        if router is not None:
            _check_kind(router, Nat, "router", "network.router(…) makes one")
        for link in (up, down):
            _check_kind(link, Link, "link", "Link(delay=…) makes one")
        host.router = router
        segment = self.internet if router is None else router.segment
        if address and (ip_address(address).is_loopback or ip_address(address).is_unspecified):
            raise ValueError(f"{address} is no address by which others reach a host")
        attachment = Attachment(name, host, segment, up, down)
        attachment.add(str(ip_address(address)) if address else segment.address())
        host.attach(attachment)

    def part(self, one: Iterable[Host], other: Iterable[Host]) -> None:
        """Have nothing pass between two groups of hosts; nobody is told.

        Raises:
            TypeError: these are no groups of hosts.
        """
        groups = []
        for group in (one, other):
            if isinstance(group, (Host, str)):
                raise TypeError(f"part() takes lists of hosts, as part([a], [b]), not {group!r}")
            groups.append(list(group))
            for host in groups[-1]:
                _check_kind(host, Host, "host", "network.hosts has them by their names")
        for first, second in product(*groups):
            self._cuts.add(frozenset((first.name, second.name)))

    def heal(self) -> None:
        """Mend all that `part` has cut."""
        self._cuts.clear()

    def resolve(self, name: str) -> list[str]:
        """The addresses of a name: of a host, or of the one who asks."""
        try:
            return [str(ip_address(name))]
        except ValueError:
            pass
        if name == "localhost":
            return [LOCAL[0]]
        return self.hosts[name].addresses if name in self.hosts else []

    # What is told of it.

    def note(self, host: Host | None, what: str, text: str) -> None:
        """Note that something happens to the network."""
        name = "" if host is None else host.name
        self.record.add(trio.current_time(), name, "network", f"{what} {text}".rstrip())

    def sent(self, host: Host, packet: Packet) -> None:
        """A host sends a packet."""
        self.record.add(trio.current_time(), host.name, "packet", str(packet))
        if self.capture is not None:
            self.capture.add(host.name, trio.current_time(), packet)

    def received(self, host: Host, packet: Packet) -> None:
        """A host has received a packet."""
        self.record.counts["received"] += 1
        if self.capture is not None and packet.origin != host.name:
            self.capture.add(host.name, trio.current_time(), packet)

    def lost(self, attachment: Attachment | None, packet: Packet, why: str) -> None:
        """A packet does not arrive."""
        name = "" if attachment is None else attachment.node.name
        self.record.add(trio.current_time(), name, "packet", f"{packet} is lost: {why}")

    def is_cut(self, one: str, other: str) -> bool:
        """Whether nothing passes between two hosts."""
        return frozenset((one, other)) in self._cuts


def _check_kind(what: object, kind: type, called: str, how: str) -> None:
    if not isinstance(what, kind):
        raise TypeError(f"{what!r} is no {called}: {how}")
