"""A Redis that does what each of two servers asks when a test says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import RedisAddress

from ..harness import MemoryServer, memory_server
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
        assert asked == name, (asked, name)
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


@asynccontextmanager
async def two_servers(**options: Any) -> AsyncIterator[tuple[MemoryServer, MemoryServer]]:
    settings = [ClusterSettings(redis=RedisAddress(unix_socket=name)) for name in ("one", "other")]
    async with (
        memory_server(cluster=settings[0], **options) as one,
        memory_server(cluster=settings[1], **options) as other,
    ):
        await trio.testing.wait_all_tasks_blocked()
        yield one, other
