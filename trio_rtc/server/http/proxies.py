"""Trusted proxies in front of the server: whom they speak for. No I/O.

What a proxy tells of its clients is taken from those that a setting names, and from nobody else:
anybody could say it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX: Final = "unix"
"""Stands for whoever connects by a Unix socket."""

FORWARDED_FOR: Final = "x-forwarded-for"


class TrustedProxies:
    """The addresses of proxies.

    Args:
        networks: addresses, or networks such as ``10.0.0.0/8`` and ``fd00::/8``; `UNIX` for all
            connections on Unix sockets.

    Raises:
        ValueError: one of them is none.
    """

    def __init__(self, networks: Iterable[str] = ()):
        if isinstance(networks, str):
            raise ValueError(f"no list of networks: {networks!r}")
        names = [network.strip() for network in networks]
        self._unix = UNIX in names
        self._networks = [_network(name) for name in names if name != UNIX]

    def trust(self, address: str) -> bool:
        """Whether a proxy is at this address; an empty one is that of a Unix socket."""
        if not address:
            return self._unix
        if not self._networks:
            return False
        parsed = parse_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, address: str, headers: Iterable[tuple[str, str]]) -> str:
        """The address of the client for whom somebody at this address has sent these headers.

        Each proxy adds the one that it was asked from at the end of ``X-Forwarded-For``. So it is
        read from there, for as long as a trusted one has written it.
        """
        if not self.trust(address):
            return address
        fields = ",".join(value for name, value in headers if name == FORWARDED_FOR)
        hops = [hop for hop in fields.split(",") if hop.strip()]
        while hops and self.trust(address):
            parsed = parse_address(hops.pop())
            if parsed is None:
                break
            address = str(parsed)
        return address


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address as proxies write it, with or without a port; None if it is none.

    One of IPv4 that IPv6 has mapped is one of IPv4.
    """
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"no network, such as 10.0.0.0/8: {text!r} ({error})") from None
