"""A server that is cut off from Redis, while Redis and the others go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from trio_rtc.server.cluster import cluster_server
from trio_rtc.server.cluster.cluster_settings import ClusterSettings

from ...redis_server import RedisProcess, needs_redis
from ..harness import get
from ..native_client import connect, join
from .cluster_serving import hear, impatient, serving, until

pytestmark = needs_redis


class Wire:
    """The network between a server and Redis: what is sent while it is cut goes nowhere."""

    def __init__(self, redis: RedisProcess, path: Path):
        self.path = str(path)
        self._redis = redis
        self._whole = trio.Event()
        self._whole.set()

    def cut(self) -> None:
        self._whole = trio.Event()

    def mend(self) -> None:
        self._whole.set()

    async def carry(self, task_status: trio.TaskStatus[None]) -> None:
        """Carry the bytes of each connection, for as long as it is whole."""
        listening = trio.socket.socket(trio.socket.AF_UNIX)
        await listening.bind(self.path)
        listening.listen()
        task_status.started()
        await trio.serve_listeners(self._join, [trio.SocketListener(listening)])

    async def _join(self, near: trio.SocketStream) -> None:
        async with (
            await trio.open_unix_socket(self._redis.socket) as far,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._copy, near, far, nursery.cancel_scope)
            nursery.start_soon(self._copy, far, near, nursery.cancel_scope)

    async def _copy(
        self, one: trio.SocketStream, other: trio.SocketStream, both: trio.CancelScope
    ) -> None:
        try:
            while data := await one.receive_some():
                await self._whole.wait()
                await other.send_all(data)
        except trio.BrokenResourceError:
            pass
        both.cancel()


@asynccontextmanager
async def wired(redis: RedisProcess, path: Path) -> AsyncIterator[Wire]:
    """A wire for a block."""
    wire = Wire(redis, path)
    async with trio.open_nursery() as nursery:
        await nursery.start(wire.carry)
        yield wire
        nursery.cancel_scope.cancel()


async def test_who_is_cut_off_acknowledges_nothing_and_lets_go(
    cluster: ClusterSettings,
    shared_redis: RedisProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_server, "PAUSE_SECONDS", 0.05)
    async with wired(shared_redis, tmp_path / "wire") as wire, serving(cluster, 1) as (other,):
        address = replace(cluster.redis, unix_socket=wire.path)
        async with serving(replace(cluster, redis=address), 1) as (server,):
            alice, bob = await join(server, "alice"), await join(other, "bob")
            await alice.say(type="send", seq=1, to=bob.id, data="before")
            assert (await hear(bob, "message"))["data"] == "before"
            await hear(alice, "ack")
            async with impatient([server]):
                wire.cut()
                await alice.say(type="send", seq=2, to=bob.id, data="during")
                await until(lambda: server.statistics.cluster_up == 0)
            assert (await server.ask(get("/healthz"))).status == 503
            assert [got for got in await alice.hear_all() if got["type"] == "ack"] == []
            # A balancer has it go on with another one, which says it again.
            again = await connect(other)
            assert (await again.resume(alice.session, 1))["received"] == 1
            await again.say(type="send", seq=2, to=bob.id, data="during")
            await again.say(type="send", seq=3, to=bob.id, data="after")
            assert [(await hear(bob, "message"))["data"] for _ in range(2)] == ["during", "after"]
            wire.mend()
            # What was on its way is of an epoch that is over, and so is its connection.
            assert (await alice.closed())[0] in (1001, 4409)
            await until(lambda: server.statistics.cluster_up == 1)
            await bob.say(type="send", seq=1, to=alice.id, data="answer")
            assert (await hear(again, "message"))["data"] == "answer"
            assert [got["type"] for got in await bob.hear_all() if got["type"] != "ack"] == []
