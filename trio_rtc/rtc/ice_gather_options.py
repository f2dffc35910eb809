"""Which host candidates there are: ports, interfaces, and the addresses that others see."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import BadIceServer

UDP_PORTS: Final = "TRIO_RTC_UDP_PORTS"
UDP_MUX: Final = "TRIO_RTC_UDP_MUX"
INTERFACES: Final = "TRIO_RTC_INTERFACES"
ICE_TCP: Final = "TRIO_RTC_ICE_TCP"
MDNS: Final = "TRIO_RTC_MDNS"
ADVERTISE: Final = "TRIO_RTC_ADVERTISE"


class BadIceGatherOptions(BadIceServer):
    """What was said of host candidates makes no sense."""

    default_code = "bad_ice_gather_options"


@dataclass(frozen=True, kw_only=True)
class IceGatherOptions:
    """How host candidates are gathered (ORTC RTCIceGatherOptions, and what servers need of it).

    Attributes:
        udp_ports: the first and the last UDP port that may be bound; one is taken for each
            address of each call. Without it the system chooses.
        udp_mux: one UDP port for all calls of the process, at each address. Of several calls with
            one and the same port of another process all but the first leave from another port,
            which is not told, and need not be let in.
        tcp: whether there are candidates of TCP as well (RFC 6544), for networks that let no UDP
            through. Ports are those of `udp_ports` or `udp_mux`, by the same numbers. Who is told
            candidates connects to the addresses and ports that are in them.
        mdns: whether names that end in ``.local`` are told instead of addresses of this machine,
            which only those on the same link can ask for (RFC 6762).
        interfaces: those to use, by name (``eth0``), address or network (``10.0.0.0/8``). One with
            ``!`` before it is left out. Without any that is to be used, all the others are.
        advertise: addresses to tell instead of ours, as they reach us behind a one-to-one NAT, such
            as that of a cloud or of Docker: either one for all of its IP version, or one for each
            of ours, ``{"10.0.0.5": "203.0.113.7"}``.

    Raises:
        BadIceGatherOptions: there is no such port, network or address.
    """

    udp_ports: tuple[int, int] | None = None
    udp_mux: int | None = None
    tcp: bool = False
    mdns: bool = False
    interfaces: Sequence[str] = ()
    advertise: str | Mapping[str, str] = ""

    def __post_init__(self) -> None:
        if self.udp_ports is not None:
            first, last = self.udp_ports
            if not 1 <= first <= last <= 65535:
                raise BadIceGatherOptions(f"{first} to {last} is no range of ports")
        if self.udp_mux is not None and not 1 <= self.udp_mux <= 65535:
            raise BadIceGatherOptions(f"{self.udp_mux} is no port")
        if self.udp_mux is not None and self.udp_ports is not None:
            raise BadIceGatherOptions("there is one port for all calls, or a range, and not both")
        for name in self.interfaces:
            if re.fullmatch(r"!?[0-9a-fA-F:.]+/[^/]*", name) and _network(name) is None:
                raise BadIceGatherOptions(f"{name!r} is no network")
        for own, other in self.advertised.items():
            if own is not None and _version(own) != _version(other):
                raise BadIceGatherOptions(f"{other} cannot stand for {own}")

    @property
    def advertised(self) -> Mapping[str | None, str]:
        """What is told for which of our addresses; None stands for all of its version."""
        if isinstance(self.advertise, str):
            return {None: _address(self.advertise)} if self.advertise else {}
        return {_address(own): _address(other) for own, other in self.advertise.items()}

    def is_used(self, interface: str, address: str) -> bool:
        """Whether there are candidates of an ``address`` of this ``interface``."""
        wanted = [name for name in self.interfaces if not name.startswith("!")]
        unwanted = [name[1:] for name in self.interfaces if name.startswith("!")]
        if any(_is_of(name, interface, address) for name in unwanted):
            return False
        return not wanted or any(_is_of(name, interface, address) for name in wanted)

    def told(self, address: str) -> str:
        """What others are told instead of one of our addresses."""
        told = self.advertised
        if address in told:
            return told[address]
        other = told.get(None)
        return other if other is not None and _version(other) == _version(address) else address

    def ports(self, choose: Callable[[float, float], float]) -> Iterable[int]:
        """The ports to try, from anywhere in the range on; 0 for any.

        Args:
            choose: gives a number between two others.
        """
        if self.udp_ports is None:
            return [self.udp_mux or 0]
        first, last = self.udp_ports
        count = last + 1 - first
        begin = min(int(choose(0, count)), count - 1)
        return (first + (begin + number) % count for number in range(count))


def gather_options_from_environment() -> IceGatherOptions:
    """What ``TRIO_RTC_UDP_PORTS`` and others say, one for each of the options.

    ``_UDP_PORTS`` is ``50000-50100``, ``_UDP_MUX`` ``50000``, ``_ICE_TCP`` and ``_MDNS`` ``1`` or
    ``0``, ``_INTERFACES`` names with spaces between them, and ``_ADVERTISE`` one address, or
    pairs ``10.0.0.5=203.0.113.7`` with spaces between them.

    Raises:
        BadIceGatherOptions: one of them makes no sense.
    """
    ports = os.environ.get(UDP_PORTS, "").strip()
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", ports)
    if ports and match is None:
        raise BadIceGatherOptions(f"the variable {UDP_PORTS} is {ports!r}, and not FIRST-LAST")
    udp_ports = None if match is None else (int(match[1]), int(match[2] or match[1]))
    mux = os.environ.get(UDP_MUX, "").strip()
    if mux and re.fullmatch(r"[0-9]{1,5}", mux) is None:
        raise BadIceGatherOptions(f"the variable {UDP_MUX} is {mux!r}, and not a port")
    told = os.environ.get(ADVERTISE, "").split()
    advertise: str | dict[str, str] = " ".join(told)
    if "=" in advertise or len(told) > 1:
        pairs = [pair.partition("=") for pair in told]
        if not all(equals for _, equals, _ in pairs):
            raise BadIceGatherOptions(f"the variable {ADVERTISE} is {advertise!r}, not OWN=OTHER")
        advertise = {own: other for own, _, other in pairs}
    try:
        return IceGatherOptions(
            udp_ports=udp_ports,
            udp_mux=int(mux) if mux else None,
            tcp=_switch(ICE_TCP),
            mdns=_switch(MDNS),
            interfaces=tuple(os.environ.get(INTERFACES, "").split()),
            advertise=advertise,
        )
    except BadIceGatherOptions as error:
        raise BadIceGatherOptions(f"in the environment: {error}") from error


def _switch(name: str) -> bool:
    value = os.environ.get(name, "").strip()
    if value not in ("", "0", "1"):
        raise BadIceGatherOptions(f"the variable {name} is {value!r}, and not 0 or 1")
    return value == "1"


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise BadIceGatherOptions(f"{text!r} is no IP address") from None


def _version(address: str) -> int:
    return ipaddress.ip_address(address.partition("%")[0]).version


def _network(name: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(name.removeprefix("!"), strict=False)
    except ValueError:
        return None


def _is_of(name: str, interface: str, address: str) -> bool:
    network = _network(name)
    if network is None:
        return name == interface
    return ipaddress.ip_address(address.partition("%")[0]) in network
