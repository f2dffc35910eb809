"""Two connections go on with one session at the same time: the later one has it in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from trio_rtc.server.cluster import cluster_server
from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import RedisAddress
from trio_rtc.wire.close_codes import CloseCode

from ..harness import MemoryServer, memory_server
from ..native_client import NativeClient, connect, join
from .model_redis import ModelConnection, ModelRedis


class HeldRedis(ModelRedis):
    """It does what servers ask when it is told to.

    Attributes:
        asked: by the Unix socket of the server's address: what it has asked, and what does that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_held = False
        self.asked: defaultdict[str, list[tuple[str, trio.Event]]] = defaultdict(list)

    @asynccontextmanager
    async def open(  # type: ignore[override]
        self,
        address: RedisAddress,
        on_push: Callable[[list[Any]], None],
        *_: object,
        seconds: float,
    ) -> AsyncIterator[ModelConnection]:
        assert address.unix_socket is not None
        yield _HeldConnection(self, on_push, address.unix_socket)

    async def do(self, server: str, name: str) -> None:
        """Do what a server has asked for, which is to be this."""
        await trio.testing.wait_all_tasks_blocked()
        (asked, event), *self.asked[server] = self.asked[server]
        assert asked == name
        event.set()
        await trio.testing.wait_all_tasks_blocked()

    def let_go(self) -> None:
        """Do everything at once again."""
        self.is_held = False
        for asked in self.asked.values():
            for _, event in asked:
                event.set()


class _HeldConnection(ModelConnection):
    _redis: HeldRedis

    def __init__(self, redis: HeldRedis, on_push: Callable[[list[Any]], None], server: str):
        super().__init__(redis, on_push)
        self._server = server

    async def request(self, *words: Any, then: Callable[[Any], None] | None = None) -> Any:
        if self._redis.is_held:
            event = trio.Event()
            self._redis.asked[self._server].append((words[9], event))
            await event.wait()
        return await super().request(*words, then=then)


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock) -> HeldRedis:
    """Nothing is given up meanwhile, and nothing asked for but by clients: the clock stands."""
    redis = HeldRedis()
    monkeypatch.setattr(cluster_server, "open_redis", redis.open)
    return redis


@asynccontextmanager
async def two_servers() -> AsyncIterator[tuple[MemoryServer, MemoryServer]]:
    settings = [ClusterSettings(redis=RedisAddress(unix_socket=name)) for name in ("one", "other")]
    async with (
        memory_server(cluster=settings[0]) as one,
        memory_server(cluster=settings[1]) as other,
    ):
        await trio.testing.wait_all_tasks_blocked()
        yield one, other


async def resume(client: NativeClient, session: str, attempt: int) -> None:
    await client.say(type="resume", session=session, received=0, attempt=attempt)


@pytest.mark.parametrize("order", ["the earlier", "the later"])
async def test_the_later_one_goes_on(redis: HeldRedis, order: str) -> None:
    async with two_servers() as (one, other):
        first = await join(one, "alice")
        session = first.session
        earlier, later = await connect(other), await connect(one)
        redis.is_held = True
        await resume(earlier, session, 1)
        await redis.do("other", "f")
        # It has found the session as it was, and asks for it. Meanwhile:
        await resume(later, session, 2)
        steps = [("other", "x"), ("one", "n")]
        for server, operation in steps if order == "the earlier" else reversed(steps):
            await redis.do(server, operation)
        redis.let_go()
        assert await later.hear() == {"type": "resumed", "received": 0}
        if order == "the earlier":
            assert await earlier.hear() == {"type": "resumed", "received": 0}
            assert (await earlier.closed())[0] == CloseCode.SUPERSEDED
        else:
            assert (await earlier.refusal())[1] == CloseCode.SUPERSEDED
        assert (await first.closed())[0] == CloseCode.SUPERSEDED
        # It is the one that there is, for all.
        await later.say(type="send", seq=1, to=first.id, data="x")
        assert (await later.hear())["data"] == "x"
        assert one.statistics.cluster_lost + other.statistics.cluster_lost == 0
        for client in (first, earlier, later):
            await client.aclose()
