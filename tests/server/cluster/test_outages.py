"""A Redis that is away for a while, or has forgotten something."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio

from trio_rtc.server.cluster import cluster_server

from ...peerjs import clients as peerjs
from ...redis_server import RedisProcess, needs_redis
from ..harness import MemoryServer, get
from ..native_client import NativeClient, connect, join
from .cluster_serving import hear, impatient, serving, two, until
from .conftest import settings_of

pytestmark = needs_redis


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_server, "PAUSE_SECONDS", 0.05)


async def send_many(alice: NativeClient, to: int, first: int, last: int) -> None:
    for seq in range(first, last + 1):
        await alice.say(type="send", seq=seq, to=to, data=f"{seq}")


async def all_is_there(alice: NativeClient, bob: NativeClient, last: int) -> None:
    got = [(await hear(bob, "message"))["data"] for _ in range(last)]
    assert got == [f"{seq}" for seq in range(1, last + 1)]
    while (await hear(alice, "ack"))["received"] < last:
        pass


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_nothing_is_lost_while_redis_is_away(how: str, own_redis: RedisProcess) -> None:
    async with serving(settings_of(own_redis), 2) as servers:
        alice, bob = await two(servers)
        await send_many(alice, bob.id, 1, 20)
        async with impatient(servers):
            (own_redis.kill if how == "killed" else own_redis.stop)()
            await send_many(alice, bob.id, 21, 40)
            await until(lambda: not any(server.statistics.cluster_up for server in servers))
        health = await servers[0].ask(get("/healthz"))
        assert (health.status, b"edis" in health.body) == (503, True)
        await send_many(alice, bob.id, 41, 60)
        (own_redis.start if how == "killed" else own_redis.go_on)()
        await all_is_there(alice, bob, 60)
        assert (await servers[0].ask(get("/healthz"))).status == 200


async def is_told_to_be_lost(client: NativeClient, server: MemoryServer) -> None:
    """A client is told that its session is lost, at the latest when it wants to go on with it."""
    code, _ = await client.closed()
    if code == 1001:
        again = await connect(server)
        await again.say(type="resume", session=client.session, received=0)
        assert await again.refusal() == ("session_lost", 4404, "session_lost")
    else:
        assert code == 4404


async def test_an_empty_redis_is_told(own_redis: RedisProcess) -> None:
    async with serving(settings_of(own_redis), 2) as servers:
        alice, bob = await two(servers)
        own_redis.ask("FLUSHALL")
        for client, server in ((alice, servers[1]), (bob, servers[0])):
            await is_told_to_be_lost(client, server)
        # Who comes now is served.
        await two(servers)


def forget(redis: RedisProcess, prefix: str, *commands: str) -> None:
    """Have Redis be one that has taken over without having heard of the last writes."""
    for command in commands:
        redis.ask(*command.format(p=f"{prefix}:1:").split())
    redis.ask("SET", f"{prefix}:1:run", "another")
    redis.ask("CLIENT", "KILL", "TYPE", "pubsub")


async def test_a_failover_that_forgets_a_message_is_told_to_both(own_redis: RedisProcess) -> None:
    cluster = settings_of(own_redis)
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        await alice.say(type="send", seq=1, to=bob.id, data="x")
        await hear(bob, "message")
        await hear(alice, "ack")
        forget(
            own_redis, cluster.prefix,
            f"RPOP {{p}}m:{bob.id}", f"HSET {{p}}s:{alice.id} r 0",
        )  # fmt: skip
        for client, server in ((alice, servers[1]), (bob, servers[0])):
            await is_told_to_be_lost(client, server)
        assert sum(server.statistics.cluster_lost for server in servers) == 2


async def test_numbers_that_are_given_twice_are_not_taken_for_repetitions(
    own_redis: RedisProcess,
) -> None:
    """Somebody else says something before the receiver's server has asked what it has missed."""
    cluster = settings_of(own_redis)
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        await alice.say(type="send", seq=1, to=bob.id, data="forgotten")
        seen = await hear(bob, "message")
        await bob.aclose()
        # As the new Redis has it after somebody's message: it has the number of the forgotten one.
        forget(
            own_redis, cluster.prefix,
            f"HSET {{p}}s:{alice.id} r 0", f"RPOP {{p}}m:{bob.id}",
            f"RPUSH {{p}}m:{bob.id} other", f"HSET {{p}}s:{bob.id} g 2 v {seen['seq'] - 1}",
        )  # fmt: skip
        again = await connect(servers[0])
        await again.say(type="resume", session=bob.session, received=seen["seq"])
        assert (await again.refusal())[0] == "session_lost"


async def test_a_failover_that_forgets_nothing_ends_nothing(own_redis: RedisProcess) -> None:
    cluster = settings_of(own_redis)
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        await send_many(alice, bob.id, 1, 5)
        forget(own_redis, cluster.prefix)
        await send_many(alice, bob.id, 6, 10)
        await all_is_there(alice, bob, 10)
        await until(lambda: all(one.statistics.cluster_generation == 2 for one in servers))


async def test_a_server_that_was_given_up_lets_go(own_redis: RedisProcess) -> None:
    """As one that was stopped for longer than its lease: others speak for its sessions by then."""
    cluster = settings_of(own_redis)
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        own_redis.ask("DEL", f"{cluster.prefix}:1:servers")
        # It may have noticed by now.
        with suppress(trio.BrokenResourceError):
            await alice.say(type="send", seq=1, to=bob.id, data="not taken")
        assert (await alice.closed())[0] == 1001
        await until(lambda: all(one.statistics.cluster_up for one in servers))
        again = await connect(servers[1])
        assert (await again.resume(alice.session, 1))["received"] == 0
        back = await connect(servers[0])
        assert (await back.resume(bob.session, 0))["type"] == "resumed"
        await again.say(type="send", seq=1, to=bob.id, data="taken")
        assert (await hear(back, "message"))["data"] == "taken"


async def test_a_full_redis_holds_senders_back(own_redis: RedisProcess) -> None:
    cluster = settings_of(own_redis)
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        own_redis.ask("CONFIG", "SET", "maxmemory", "1")
        await send_many(alice, bob.id, 1, 10)
        await until(lambda: not servers[0].statistics.cluster_up)
        assert b"OOM" in (await servers[0].ask(get("/healthz"))).body
        await trio.sleep(0.2)
        own_redis.ask("CONFIG", "SET", "maxmemory", "0")
        await all_is_there(alice, bob, 10)


async def test_peers_of_a_dead_server_are_gone(own_redis: RedisProcess) -> None:
    """Those who may not go on: a page with PeerJS, whose server renews its lease no more."""
    cluster = settings_of(own_redis)
    async with serving(cluster, 2) as servers:
        bob = await join(servers[1], "bob")
        await peerjs.join(servers[0], "page")
        page = (await hear(bob, "joined"))["id"]
        prefix = f"{cluster.prefix}:1:"
        owner = own_redis.ask("HGET", f"{prefix}s:{page}", "o")
        block = page // 512
        for command in (
            f"SMOVE {prefix}o:{owner}:{block} {prefix}o:dead:{block} {page}",
            f"SADD {prefix}o:dead {block}",
            f"HSET {prefix}s:{page} o dead",
            f"ZADD {prefix}servers 1 dead",
        ):
            own_redis.ask(*command.split())
        assert (await hear(bob, "left"))["id"] == page
        await until(lambda: own_redis.ask("ZCARD", f"{prefix}servers") == "2")
        left = [f"{prefix}s:{page}", f"{prefix}o:dead", f"{prefix}o:dead:{block}"]
        assert own_redis.ask("EXISTS", *left) == "0"
