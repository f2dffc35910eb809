"""Routers of a simulated network, which translate addresses as RFC 4787 has the kinds of it."""

from __future__ import annotations

from random import Random
from typing import Final, Literal, get_args

from ...world import Address
from .network_link import Link
from .packets import Packet
from .segments import Attachment, NetworkSegment

Behaviour = Literal["endpoint-independent", "address-dependent", "address-and-port-dependent"]
"""What a NAT looks at in a packet to map, or to filter it (RFC 4787, sections 4.1 and 5)."""

UDP_SECONDS: Final = 120.0
TCP_SECONDS: Final = 7440.0
"""How long a mapping lasts without a packet (RFC 4787, REQ-5; RFC 5382, REQ-5)."""

_PORTS: Final = (1024, 65_535)

_Key = tuple[object, ...]


class _Mapping:
    __slots__ = ("inside", "key", "outside", "seen", "until")

    def __init__(self, key: _Key, inside: Address, outside: int):
        self.key = key
        self.inside = inside
        self.outside = outside
        self.seen: set[Address] = set()
        self.until = 0.0


class Nat:
    """A router behind which hosts have addresses of their own.

    Args:
        name: of it.
        inner: the network behind it.
        outer: the network that it is on.
        address: its own there; None: one of that network's.
        link: to that network, each way.
        mapping: what a mapping is for (RFC 4787, section 4.1): ``endpoint-independent`` is one for
            all destinations of a socket, the others one for each address, or address and port,
            as a symmetric NAT has.
        filtering: from whom packets come in (section 5): from all who know the mapping, from
            addresses, or from addresses and ports that something has been sent to.
        keeps_ports: whether the port outside is that inside, where it is free.
        hairpins: whether hosts behind it reach each other by its own address (section 6).
        udp: whether it lets UDP through at all.
        udp_seconds: how long a mapping of UDP lasts in silence.
    """

    def __init__(
        self,
        name: str,
        inner: NetworkSegment,
        outer: NetworkSegment,
        *,
        address: str | None = None,
        link: Link,
        mapping: Behaviour,
        filtering: Behaviour,
        keeps_ports: bool,
        hairpins: bool,
        udp: bool,
        udp_seconds: float,
    ):
        for what, kind in (("mapping", mapping), ("filtering", filtering)):
            if kind not in get_args(Behaviour):
                raise ValueError(f"{what} is {kind!r}, and not one of {get_args(Behaviour)}")
        self.name = name
        self.segment = inner
        self._attachment = Attachment(name, self, outer, link, link)
        self.address = address or outer.address()
        self._attachment.add(self.address)
        inner.gateway = self
        self._mapping = mapping
        self._filtering = filtering
        self._keeps_ports = keeps_ports
        self._hairpins = hairpins
        self._udp = udp
        self._seconds = {"udp": udp_seconds, "tcp": TCP_SECONDS}
        self._random = Random(f"{outer.seed} {name} ports")
        self._by_key: dict[_Key, _Mapping] = {}
        self._by_port: dict[tuple[str, int], _Mapping] = {}

    @property
    def attachment(self) -> Attachment:
        """Its link to the network outside."""
        return self._attachment

    def forget(self) -> None:
        """Lose all mappings, as one that is switched off and on: packets come from new ports."""
        self._by_key.clear()
        self._by_port.clear()

    def move(self) -> None:
        """Get another address outside, and lose all mappings."""
        self.forget()
        self._attachment.remove()
        self._attachment.addresses.clear()
        self.address = self._attachment.segment.address()
        self._attachment.add(self.address)

    def outbound(self, packet: Packet) -> None:
        """Take a packet of a host behind it out."""
        if packet.protocol == "udp" and not self._udp:
            self.segment.watch(None, packet, "stopped by a router")
            return
        mapping = self._map(packet)
        mapping.seen.add(packet.destination)
        out = packet.readdressed((self.address, mapping.outside), packet.destination)
        if packet.destination[0] != self.address:
            self._attachment.leave(out)
        elif self._hairpins:
            self.receive(out)
        else:
            self.segment.watch(None, packet, "no hairpinning")

    def receive(self, packet: Packet) -> None:
        """Take a packet from outside in, if it is let in."""
        mapping = self._by_port.get((packet.protocol, packet.destination[1]))
        if mapping is None or mapping.until < self.segment.events.now():
            self.segment.watch(self._attachment, packet, "no mapping")
        elif not self._lets_in(mapping, packet.source):
            self.segment.watch(self._attachment, packet, "filtered")
        else:
            self.segment.route(packet.readdressed(packet.source, mapping.inside), from_gateway=True)

    def _lets_in(self, mapping: _Mapping, source: Address) -> bool:
        match self._filtering:
            case "endpoint-independent":
                return True
            case "address-dependent":
                return any(source[0] == seen[0] for seen in mapping.seen)
        return source in mapping.seen

    def _map(self, packet: Packet) -> _Mapping:
        key: _Key = (packet.protocol, packet.source)
        if self._mapping == "address-dependent":
            key += (packet.destination[0],)
        elif self._mapping == "address-and-port-dependent" or packet.protocol == "tcp":
            key += (packet.destination,)
        now = self.segment.events.now()
        mapping = self._by_key.get(key)
        if mapping is None or mapping.until < now:
            mapping = _Mapping(key, packet.source, self._free_port(packet, now))
            self._by_key[key] = self._by_port[packet.protocol, mapping.outside] = mapping
        mapping.until = now + self._seconds[packet.protocol]
        return mapping

    def _free_port(self, packet: Packet, now: float) -> int:
        wanted = packet.source[1] if self._keeps_ports else self._random.randint(*_PORTS)
        while True:
            taken = self._by_port.get((packet.protocol, wanted))
            if taken is None:
                return wanted
            if taken.until < now:
                self._by_key.pop(taken.key, None)
                return wanted
            wanted = self._random.randint(*_PORTS)
