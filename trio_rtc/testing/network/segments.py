"""Segments that nodes are attached to, and how packets find their way between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Final, Protocol

from .due_events import DueEvents
from .mischances import Faults
from .network_link import Link, LinkDirection
from .packets import Packet

Watcher = Callable[["Attachment | None", Packet, str], None]

LOCAL: Final = ("127.0.0.1", "::1")


class Node(Protocol):
    """What a packet comes to."""

    name: str

    def receive(self, packet: Packet) -> None: ...


class Gateway(Protocol):
    """What takes packets out of a network."""

    def outbound(self, packet: Packet) -> None: ...


class NetworkSegment:
    """A network whose nodes reach each other: the internet, or what is behind a router.

    Args:
        events: do what is due.
        seed: of all that is left to chance.
        watch: is told of each packet, and what became of it.
        prefix: of the addresses that it gives, such as ``10.0.1``.
        faults: what chance does to packets.
    """

    def __init__(
        self, events: DueEvents, seed: object, watch: Watcher, prefix: str, faults: Faults
    ):
        self.events = events
        self.faults = faults
        self.seed = seed
        self.watch = watch
        self.prefix = prefix
        self.gateway: Gateway | None = None
        self.members: dict[str, Attachment] = {}
        self.blocked: set[frozenset[str]] = set()
        self._given = 0

    def address(self) -> str:
        """One that nobody has had."""
        while True:
            self._given += 1
            address = f"{self.prefix}.{self._given}"
            if address not in self.members:
                return address

    def route(self, packet: Packet, *, from_gateway: bool = False) -> None:
        """Take a packet that has reached this network to where it goes."""
        member = self.members.get(packet.destination[0])
        if member is not None:
            member.bring(packet)
        elif self.gateway is not None and not from_gateway:
            self.gateway.outbound(packet)
        else:
            self.watch(None, packet, "no route")


class Attachment:
    """A node's link to a network.

    Args:
        name: of the link; with the seed it makes what is left to chance.
        node: whose it is.
        segment: what it leads to.
        up: how it behaves on the way out, and
        down: on the way in.
    """

    def __init__(self, name: str, node: Node, segment: NetworkSegment, up: Link, down: Link):
        self.node = node
        self.segment = segment
        self.addresses: list[str] = []
        self.up, self.down = (
            LinkDirection(
                link, Random(f"{segment.seed} {name} {way}"), segment.faults.on(f"{name} {way}")
            )
            for link, way in ((up, "up"), (down, "down"))
        )

    def add(self, address: str) -> None:
        """Have what goes to this address come here.

        Raises:
            ValueError: another node has it.
        """
        if address in self.segment.members:
            raise ValueError(
                f"{address} is the address of {self.segment.members[address].node.name}"
            )
        self.segment.members[address] = self
        self.addresses.append(address)

    def remove(self) -> None:
        """Have nothing come here any more."""
        for address in self.addresses:
            del self.segment.members[address]

    def change(self, up: bool, down: bool, **changes: Any) -> None:
        """Have the link behave otherwise."""
        if up:
            self.up.link = replace(self.up.link, **changes)
        if down:
            self.down.link = replace(self.down.link, **changes)

    def leave(self, packet: Packet) -> None:
        """Take a packet of the node's out to the network."""
        self._pass(self.up, packet, lambda: self.segment.route(packet))

    def bring(self, packet: Packet) -> None:
        """Take a packet of the network's to the node."""
        self._pass(self.down, packet, lambda: self.node.receive(packet))

    def _pass(self, way: LinkDirection, packet: Packet, then: Callable[[], None]) -> None:
        events = self.segment.events
        passage = way.send(packet.size, events.now(), may_fragment=packet.may_fragment)
        if not passage.arrivals:
            self.segment.watch(self, packet, passage.fate)
        for arrival in passage.arrivals:
            events.at(arrival, then)
