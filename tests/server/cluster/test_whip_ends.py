"""WHIP and WHEP sessions whose server ends or is killed: the others answer for them."""

from __future__ import annotations

import pytest
import trio

from trio_rtc.server.cluster.cluster_settings import ClusterSettings

from ...redis_server import RedisProcess, needs_redis
from ..dialects.test_whip import HOST, Camera, fragment
from ..harness import MemoryServer
from ..native_client import NativeClient, join
from .cluster_serving import hear, serving, until
from .test_whip import answer, said

pytestmark = [needs_redis, pytest.mark.parametrize("protocol", ["whip", "whep"])]


async def call(servers: list[MemoryServer], protocol: str) -> tuple[NativeClient, Camera, int]:
    """A peer on the first server, a client that calls it by the second, and that one's id."""
    studio = await join(servers[0], "studio")
    camera = Camera(servers[1], f"/{protocol}/studio")
    posted = await camera.post()
    id_ = await answer(studio, 1)
    camera.opened(await posted.answer())
    await posted.stream.aclose()
    return studio, camera, id_


async def is_over(servers: list[MemoryServer], camera: Camera) -> None:
    """Each server says that there is no such session, or no more."""
    for camera.server in servers:
        patched = await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag)
        assert (patched.status, (await camera.ask("DELETE")).status) == (404, 404)


async def test_its_server_drains(cluster: ClusterSettings, protocol: str) -> None:
    """Its client has no connection by which to notice that: the peer that it called is told."""
    async with serving(cluster, 3) as servers:
        studio, camera, id_ = await call(servers, protocol)
        servers[1].scope.cancel()
        with trio.fail_after(60):
            assert (await hear(studio, "left"))["id"] == id_
        await is_over([servers[0], servers[2]], camera)


def kill(redis: RedisProcess, cluster: ClusterSettings, id_: int, lease: str) -> None:
    """Give a session to a server that says nothing any more, and whose lease ends then."""
    prefix = f"{cluster.prefix}:1:"
    owner, block = redis.ask("HGET", f"{prefix}s:{id_}", "o"), id_ // 512
    for command in (
        f"SMOVE {prefix}o:{owner}:{block} {prefix}o:dead:{block} {id_}",
        f"SADD {prefix}o:dead {block}",
        f"HSET {prefix}s:{id_} o dead",
        f"ZADD {prefix}servers {lease} dead",
    ):
        redis.ask(*command.split())


async def test_its_server_is_killed(
    cluster: ClusterSettings, shared_redis: RedisProcess, protocol: str
) -> None:
    async with serving(cluster, 3) as servers:
        studio, camera, id_ = await call(servers, protocol)
        kill(shared_redis, cluster, id_, lease="1")
        assert (await hear(studio, "left"))["id"] == id_
        await is_over([servers[0], servers[2]], camera)
        await until(lambda: shared_redis.ask("ZCARD", f"{cluster.prefix}:1:servers") == "3")


async def test_its_client_ends_it_before_anybody_has_noticed(
    cluster: ClusterSettings, shared_redis: RedisProcess, protocol: str
) -> None:
    async with serving(cluster, 3) as servers:
        studio, camera, id_ = await call(servers, protocol)
        kill(shared_redis, cluster, id_, lease="inf")
        camera.server = servers[2]
        assert (await camera.ask("DELETE")).status == 200
        assert await said(studio) == "BYE"
        assert (await hear(studio, "left"))["id"] == id_
        await is_over([servers[0], servers[2]], camera)
