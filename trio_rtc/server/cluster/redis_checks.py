"""Checks of a Redis: whether a cluster may be kept in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...errors import TrioRTCError
from .redis_address import RedisAddress
from .redis_connection import RedisConnection, RedisLost, RedisRefused, open_redis

LAYOUT: Final = "1"
"""The version of what is kept: all keys but the one that tells it begin with it."""

OLDEST: Final = (6, 2)

#: What keys have to be that are always of the same name.
_TYPES: Final = {
    "run": "string",
    "gen": "string",
    "id": "string",
    "tick": "string",
    "k": "hash",
    "servers": "zset",
    "gone": "zset",
}


class ClusterError(TrioRTCError):
    """A server cannot be one of this cluster: its Redis is not there, or not fit for that."""

    default_code = "cluster_failed"


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis as it tells of itself.

    Attributes:
        run: what it is called for as long as it runs.
        is_primary: whether it can be written to.
    """

    run: str
    is_primary: bool


async def look_at(redis: RedisConnection, prefix: str) -> RedisServer:
    """See whether a cluster may be kept there.

    Raises:
        ClusterError: it may not.
        RedisLost: the connection has ended.
    """
    told = await redis.request("INFO", "everything")
    info = dict(
        line.split(":", 1) for line in _text(told).splitlines() if ":" in line and line[0] != "#"
    )
    version = info.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < OLDEST:
        raise ClusterError(f"Redis {version} is too old: 6.2 is the oldest that will do")
    if info.get("cluster_enabled", "0") != "0":
        raise ClusterError("this is a node of Redis Cluster: a cluster of ours needs a Redis alone")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise ClusterError(
            f"Redis throws away what it is to keep: its maxmemory-policy is {policy}, "
            "and has to be noeviction"
        )
    is_primary = info.get("role") == "master"
    if is_primary:
        await _look_at_keys(redis, prefix)
    return RedisServer(info.get("run_id", ""), is_primary)


async def _look_at_keys(redis: RedisConnection, prefix: str) -> None:
    key = f"{prefix}:layout"
    try:
        await redis.request("SET", key, LAYOUT, "NX")
        found = _text(await redis.request("GET", key))
    except RedisRefused as refused:
        if refused.code != "WRONGTYPE":
            raise
        found = "something else"
    if found != LAYOUT:
        raise ClusterError(
            f"the keys {prefix}:* are of another version, or of somebody else: {key} is "
            f"{found[:40]!r} there, and {LAYOUT!r} here; another prefix would do"
        )
    for name, type_ in _TYPES.items():
        kind = _text(await redis.request("TYPE", f"{prefix}:{LAYOUT}:{name}"))
        if kind not in (type_, "none"):
            raise ClusterError(
                f"the key {prefix}:{LAYOUT}:{name} is of somebody else: it is a {kind}, and no "
                f"{type_}; another prefix would do"
            )


async def find_primary(address: RedisAddress, seconds: float) -> RedisAddress:
    """Where the Redis is: of Sentinels, the first that answers tells it.

    Raises:
        RedisLost: none answers.
        RedisRefused: none knows it.
    """
    if address.sentinel_name is None:
        return address
    failure: RedisLost | RedisRefused | None = None
    for host in address.hosts:
        one = RedisAddress(hosts=(host,), tls=address.tls)
        try:
            async with open_redis(one, lambda _: None, seconds=seconds) as sentinel:
                ask = "SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.sentinel_name
                told = await sentinel.request(*ask)
        except (RedisLost, RedisRefused) as error:
            failure = error
            continue
        if told:
            return RedisAddress(
                hosts=((_text(told[0]), int(told[1])),),
                tls=address.tls,
                database=address.database,
                user=address.user,
                password=address.password,
            )
    raise failure or RedisLost(f"no Sentinel knows a Redis called {address.sentinel_name!r}")


def _text(told: object) -> str:
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
