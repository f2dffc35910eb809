"""Many peers on three servers: all that is sent comes, once, and in its order."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pytest
import trio

from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.limits import ServerLimits

from ...redis_server import needs_redis
from ..harness import MemoryServer
from ..native_client import NativeClient, connect, join
from .cluster_serving import hear, serving, two

pytestmark = needs_redis


async def send_all(client: NativeClient, to: int, count: int) -> None:
    """Send so much, and wait until all of it is acknowledged."""
    for seq in range(1, count + 1):
        await client.say(type="send", seq=seq, to=to, data=f"{seq}")
    while (await hear(client, "ack"))["received"] < count:
        pass


async def test_many_to_one(cluster: ClusterSettings) -> None:
    """The one says nothing, and acknowledges nothing: what is lost would show nowhere else."""
    senders, count = 30, 20
    async with serving(cluster, 3) as servers:
        one = await join(servers[0], "one")
        clients = [await join(servers[at % 3], f"{at}") for at in range(senders)]
        with trio.fail_after(100):
            async with trio.open_nursery() as nursery:
                for client in clients:
                    nursery.start_soon(send_all, client, one.id, count)
            came: dict[int, list[str]] = {client.id: [] for client in clients}
            last = 0
            while sum(map(len, came.values())) < senders * count:
                got = await one.hear()
                last += 1
                assert got["seq"] == last
                if got["type"] == "message":
                    came[got["from"]].append(got["data"])
        assert set(map(tuple, came.values())) == {tuple(f"{seq}" for seq in range(1, count + 1))}
        assert all(message["type"] == "pong" for message in await one.hear_all())


@pytest.mark.timeout(300)
async def test_a_thousand_peers_at_once(cluster: ClusterSettings) -> None:
    """In rooms of four: each knows of all others there, and writes to each."""
    rooms, size = 250, 4
    async with serving(cluster, 3, limits=ServerLimits(handshake_seconds=100)) as servers:
        known: dict[int, int] = {}
        came: dict[int, list[int]] = {}

        async def be(number: int) -> None:
            async with entrance:
                client = await join(servers[number % 3], f"{number}", room=f"{number // size}")
            others = {peer["id"] for peer in client.welcome["peers"]}
            heard: list[int] = []
            numbers = itertools.count(1)
            for other in others:
                await client.say(type="send", seq=next(numbers), to=other, data="")
            while len(others) < size - 1 or len(heard) < size - 1:
                got: dict[str, Any] = await client.hear()
                if got["type"] == "joined":
                    others.add(got["id"])
                    await client.say(type="send", seq=next(numbers), to=got["id"], data="")
                elif got["type"] == "message":
                    heard.append(got["from"])
            known[client.id], came[client.id] = len(others), heard
            # It stays until all are done: nobody is to hear that somebody has left.
            await everybody.wait()

        everybody = trio.Event()
        # Servers and clients share a process here: of too many handshakes at once each is late.
        entrance = trio.CapacityLimiter(20)
        with trio.fail_after(200):
            async with trio.open_nursery() as nursery:
                for number in range(rooms * size):
                    nursery.start_soon(be, number)
                while len(known) < rooms * size:  # noqa: ASYNC110
                    await trio.sleep(0.05)
                everybody.set()
        assert set(known.values()) == {size - 1}
        assert all(len(set(heard)) == len(heard) == size - 1 for heard in came.values())
        assert [server.statistics.failures for server in servers] == [0, 0, 0]


async def test_who_closes_each_of_its_connections_gets_all_of_it(
    cluster: ClusterSettings,
) -> None:
    """What comes for somebody who goes on with another server each time comes once."""
    count = 30
    async with serving(cluster, 3) as servers:
        alice, bob = await two(servers)
        got: list[dict[str, Any]] = []
        received, attempts = 0, itertools.count(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(send_all, alice, bob.id, count))
            with trio.fail_after(100):
                while len(got) < count:
                    attempt = next(attempts)
                    bob, more = await go_on(bob, servers[attempt % 3], received, attempt)
                    for message in more:
                        received += 1
                        assert message["seq"] == received
                        got.append(message)
        assert [message["data"] for message in got] == [f"{seq}" for seq in range(1, count + 1)]


async def go_on(
    old: NativeClient, server: MemoryServer, received: int, attempt: int
) -> tuple[NativeClient, list[dict[str, Any]]]:
    """Close a connection and go on with another; what came on that until it says nothing more."""
    session = old.session
    await old.aclose()
    client = await connect(server)
    resumed = await client.resume(session, received, attempt=attempt)
    assert resumed["type"] == "resumed"
    client.welcome = old.welcome
    return client, [got for got in await client.hear_all() if "seq" in got]
