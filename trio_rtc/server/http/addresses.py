"""Client networks and their quotas: where clients come from, and how much is theirs. No I/O."""

from __future__ import annotations

import ipaddress
from collections import Counter
from functools import lru_cache
from typing import Final

import trio

from ...wire.rate import TokenBucket
from ..hub.expiry import Expiry

LOOPBACK: Final = "loopback"
"""Whoever is on this machine, as a client network."""


def peer_address(stream: trio.abc.Stream) -> str:
    """The IP address at the other end; empty if the stream has none, or has none any more."""
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if not isinstance(stream, trio.SocketStream):
        return ""
    try:
        name = stream.socket.getpeername()
    except OSError:
        return ""
    return str(name[0]) if isinstance(name, tuple) else ""


@lru_cache(maxsize=1024)
def client_network(address: str) -> str:
    """What stands for whoever is at an address, however it connects.

    Of IPv6 this is the network of 64 bits: a host picks the rest as it likes, and changes it
    (RFC 8981). All loopback addresses are one.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    if parsed.is_loopback:
        return LOOPBACK
    if isinstance(parsed, ipaddress.IPv6Address):
        # A zone belongs to a link-local address: the same network may be on several links.
        network = ipaddress.IPv6Network((int(parsed), 64), strict=False)
        return f"{network}%{parsed.scope_id}" if parsed.scope_id else str(network)
    return str(parsed)


class Quota:
    """How many of a kind each client network has. Who has no address is not counted."""

    def __init__(self, limit: int):
        self._limit = limit
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._counts)

    def count(self, client_network: str) -> int:
        """How many this client network has."""
        return self._counts[client_network]

    def is_used_up(self, client_network: str, *, times: int = 1) -> bool:
        """Whether a client network has as many as it may, or this many times that."""
        return self.count(client_network) >= times * self._limit

    def add(self, client_network: str) -> None:
        if client_network:
            self._counts[client_network] += 1

    def remove(self, client_network: str) -> None:
        if client_network:
            self._counts[client_network] -= 1
            if not self._counts[client_network]:
                del self._counts[client_network]


class Rates:
    """How fast each client network does something; as fast as it can, if there is no address.

    Args:
        rate: how often per second.
        burst: how often at once.
    """

    def __init__(self, rate: float, burst: float):
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, TokenBucket] = {}
        # After this time a bucket is full again: it need not be kept.
        self._used: Expiry[str] = Expiry(burst / rate)

    def __len__(self) -> int:
        return len(self._buckets)

    def is_used_up(self, client_network: str, now: float) -> bool:
        """Whether a client network may not do it now."""
        bucket = self._buckets.get(client_network)
        return bucket is not None and bucket.delay(now) > 0

    def take(self, client_network: str, now: float) -> bool:
        """Whether a client network may do it once more. If not, it does not count."""
        for full in self._used.due(now):
            del self._buckets[full]
        if not client_network:
            return True
        bucket = self._buckets.get(client_network)
        if bucket is None:
            bucket = self._buckets[client_network] = TokenBucket(self._rate, self._burst, now)
        self._used.begin(client_network, now)
        return bucket.take(1, now)
