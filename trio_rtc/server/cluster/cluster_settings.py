"""Settings of a cluster: its Redis, and what is its own there."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from .redis_address import RedisAddress


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """Where the Redis of a cluster is, and what is the cluster's own there.

    Attributes:
        redis: its address.
        prefix: before all keys; clusters with different ones do not know each other.
        name: what this server is called in logs; several may have the same.
        ssl_context: how a Redis with TLS is verified; by default by the system's authorities.
    """

    redis: RedisAddress
    prefix: str = "trio_rtc"
    name: str = "server"
    ssl_context: ssl.SSLContext | None = None
