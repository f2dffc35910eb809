"""Values in Redis that are not ours: who is concerned is told, and all others go on."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest
import trio.testing

from trio_rtc.server.cluster import cluster_server
from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import RedisAddress
from trio_rtc.wire.close_codes import CloseCode

from ..harness import memory_server
from ..native_client import connect, join
from .model_redis import ModelRedis

CLUSTER = ClusterSettings(redis=RedisAddress(unix_socket="/nowhere"))


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock) -> ModelRedis:
    redis = ModelRedis()
    monkeypatch.setattr(cluster_server, "open_redis", redis.open)
    return redis


@pytest.mark.parametrize("value", [b"M x y\n", b"\xff", b"", b"F 1\n"])
async def test_mail_that_is_not_ours(redis: ModelRedis, value: bytes) -> None:
    async with memory_server(cluster=CLUSTER) as one, memory_server(cluster=CLUSTER) as other:
        alice, bob = await join(one, "alice"), await join(one, "bob")
        redis.model.sessions[bob.id].mail.append(value)
        await bob.aclose()
        again = await connect(other)
        await again.say(type="resume", session=bob.session, received=0)
        assert await again.refusal() == ("session_lost", CloseCode.SESSION_LOST, "session_lost")
        # The other one is told that it has left, and goes on.
        assert [said["type"] for said in await alice.hear_all()] == ["joined", "left"]
        await alice.say(type="send", seq=1, to=alice.id, data="x")
        assert (await alice.hear())["data"] == "x"
        assert other.statistics.cluster_lost == 1
        assert other.statistics.failures == 0
        await alice.aclose()
        await again.aclose()


@pytest.mark.parametrize(
    ("field", "value"), [(b"x", b"native\0x"), (b"7", b"x"), (b"\xff", b""), (b"v", b"x")]
)
async def test_a_room_that_is_not_ours(
    redis: ModelRedis, monkeypatch: pytest.MonkeyPatch, field: bytes, value: bytes
) -> None:
    async with memory_server(cluster=CLUSTER) as one, memory_server(cluster=CLUSTER) as other:
        alice = await join(one, "alice")
        content, joined = redis.model.do_m, redis.model.do_j

        @wraps(content)
        def with_more(*arguments: Any) -> list[bytes]:
            return [*content(*arguments), field, value]

        @wraps(joined)
        def joined_with_more(*arguments: Any) -> list[Any]:
            *first, there = joined(*arguments)
            return [*first, [*there, field, value]]

        monkeypatch.setattr(redis.model, "do_m", with_more)
        monkeypatch.setattr(redis.model, "do_j", joined_with_more)
        bob = await join(other, "bob")
        assert [peer["name"] for peer in bob.welcome["peers"]] == ["alice"]
        await bob.say(type="send", seq=1, to=alice.id, data="x")
        await trio.sleep(2)
        assert [said["type"] for said in await alice.hear_all()] == ["joined", "message"]
        await alice.aclose()
        await bob.aclose()
