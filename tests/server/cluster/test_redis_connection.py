"""A connection to Redis that ends: one fault, whoever sees it, and however many do."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
import trio

from trio_rtc.server.cluster import redis_connection
from trio_rtc.server.cluster.redis_address import RedisAddress
from trio_rtc.server.cluster.redis_connection import RedisConnection, RedisLost, open_redis

HELLO = b"%1\r\n$5\r\nproto\r\n:3\r\n"


class Ending(trio.abc.Stream):
    """A Redis that greets, and is gone for both directions at once."""

    def __init__(self) -> None:
        self._said = [HELLO]
        self._greeted, self._gone = trio.Event(), trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if not self._greeted.is_set():
            self._greeted.set()
            return
        self._gone.set()
        await trio.lowlevel.checkpoint()
        raise trio.BrokenResourceError

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await self._greeted.wait()
        if self._said:
            return self._said.pop()
        await self._gone.wait()
        return b""

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.fixture(autouse=True)
def ending(monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_stream(*_: object) -> trio.abc.Stream:
        return Ending()

    monkeypatch.setattr(redis_connection, "_open_stream", open_stream)


def opened() -> AbstractAsyncContextManager[RedisConnection]:
    return open_redis(RedisAddress(hosts=(("localhost", 1),)), lambda _: None)


async def ping(redis: RedisConnection, error: BaseException | None = None) -> None:
    try:
        await redis.request("PING")
    finally:
        if error is not None:
            raise error


@pytest.mark.parametrize("_", range(10))
async def test_who_reads_and_who_writes_see_one_loss(_: int) -> None:
    with pytest.raises(RedisLost):
        async with opened() as redis, trio.open_nursery() as nursery:
            nursery.start_soon(ping, redis)


@pytest.mark.parametrize("_", range(10))
async def test_what_ends_the_block_meanwhile_is_why(_: int) -> None:
    with pytest.raises(KeyError):
        async with opened() as redis:
            await ping(redis, KeyError("why"))


async def test_several_that_have_nothing_to_do_with_it_are_several() -> None:
    with pytest.raises(ExceptionGroup) as group:
        async with opened() as redis, trio.open_nursery() as nursery:
            nursery.start_soon(ping, redis, KeyError("one"))
            nursery.start_soon(ping, redis, KeyError("two"))
    assert group.group_contains(KeyError)
