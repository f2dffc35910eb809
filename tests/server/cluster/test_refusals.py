"""A Redis that will not do is refused at the start, in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import RedisAddress, parse_redis_address
from trio_rtc.server.cluster.redis_checks import ClusterError, look_at

from ...redis_server import RedisProcess, needs_redis, running_redis
from ..harness import tcp_server
from .cluster_serving import serving
from .conftest import settings_of

pytestmark = needs_redis


async def refusal(cluster: ClusterSettings) -> str:
    """Why no server starts."""
    with pytest.RaisesGroup(ClusterError, flatten_subgroups=True, allow_unwrapped=True) as caught:
        async with tcp_server(cluster=cluster):
            pass
    error: Any = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert error.code == "cluster_failed"
    return str(error)


async def test_nobody_is_there(tmp_path: Path) -> None:
    nowhere = RedisAddress(unix_socket=str(tmp_path / "none"))
    why = await refusal(ClusterSettings(redis=nowhere))
    reason = "[Errno 2] No such file or directory"
    assert why == f"the cluster at {nowhere}: no connection to {nowhere}: {reason}"


async def test_something_else_is_there(cluster: ClusterSettings) -> None:
    async with tcp_server() as port:
        other = RedisAddress(hosts=(("127.0.0.1", port),))
        assert "Redis" in await refusal(replace(cluster, redis=other))


async def test_another_password(tmp_path: Path) -> None:
    with running_redis(tmp_path, "--requirepass", "right") as redis:
        cluster = settings_of(redis)
        assert "NOAUTH" in await refusal(cluster)
        wrong = replace(cluster.redis, password="wrong")
        assert "WRONGPASS" in await refusal(replace(cluster, redis=wrong))
        right = replace(cluster.redis, password="right")
        async with serving(replace(cluster, redis=right), 1):
            pass


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("CONFIG SET maxmemory-policy allkeys-lru", "maxmemory-policy is allkeys-lru"),
        ("REPLICAOF 127.0.0.1 1", "it is a replica"),
        ("CONFIG SET maxmemory 1", "OOM"),
        ("SET own:layout 2", "own:layout is '2' there, and '1' here"),
        ("HSET own:layout a b", "own:layout is 'something else' there"),
        (
            "SET own:1:servers mine",
            "own:1:servers is of somebody else: it is a string, and no zset",
        ),
    ],
)
async def test_a_redis_that_is_not_fit(command: str, why: str, tmp_path: Path) -> None:
    with running_redis(tmp_path) as redis:
        assert redis.ask(*command.split()) == "OK" or "HSET" in command
        assert why in await refusal(replace(settings_of(redis), prefix="own"))


class Told:
    """A connection on which Redis tells this of itself."""

    def __init__(self, info: str):
        self.info = info

    async def request(self, *words: object) -> Any:
        return self.info.encode() if words[0] == "INFO" else b"none"


@pytest.mark.parametrize(
    ("info", "why"),
    [
        ("redis_version:5.0.14", "Redis 5.0.14 is too old: 6.2 is the oldest that will do"),
        ("redis_version:7.0.0\ncluster_enabled:1", "a node of Redis Cluster"),
    ],
)
async def test_what_redis_tells_of_itself(info: str, why: str) -> None:
    with pytest.raises(ClusterError, match=why):
        await look_at(Told(info), "own")  # type: ignore[arg-type]


async def test_servers_may_have_one_name(shared_redis: RedisProcess) -> None:
    async with serving(replace(settings_of(shared_redis), name="same"), 2) as servers:
        assert [server.statistics.failures for server in servers] == [0, 0]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", RedisAddress(hosts=(("h", 6379),))),
        (
            "redis://u:p%40@h:1/2",
            RedisAddress(hosts=(("h", 1),), user="u", password="p@", database=2),
        ),
        ("rediss://[::1]:7", RedisAddress(hosts=(("::1", 7),), tls=True)),
        ("unix:///run/redis.sock?db=3", RedisAddress(unix_socket="/run/redis.sock", database=3)),
        (
            "redis+sentinel://a,b:5/main/1",
            RedisAddress(hosts=(("a", 26379), ("b", 5)), sentinel_name="main", database=1),
        ),
    ],
)
def test_addresses(url: str, address: RedisAddress) -> None:
    assert parse_redis_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h",
        "http://h",
        "redis://",
        "redis://h/x",
        "redis://a,b",
        "redis+sentinel://a",
        "unix://h",
        "redis://h:x",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a Redis"):
        parse_redis_address(url)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ValueError, match="h/x") as caught:
        parse_redis_address("redis://u:hush@h/x")
    assert "hush" not in str(caught.value)
    assert "hush" not in str(parse_redis_address("redis://u:hush@h"))
