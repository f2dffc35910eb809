"""Servers that are replaced one after the other, of other versions, and with other clocks."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from trio_rtc.server.cluster import cluster_server, redis_checks
from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_checks import ClusterError
from trio_rtc.world import REAL, World, set_world

from ...redis_server import needs_redis
from ..harness import MemoryServer, memory_server, tcp_server
from ..native_client import NativeClient, connect
from .cluster_serving import hear, serving, two, until

pytestmark = needs_redis


async def talk(alice: NativeClient, bob: NativeClient, seq: int) -> None:
    await alice.say(type="send", seq=seq, to=bob.id, data=f"{seq}")
    message = await hear(bob, "message")
    assert (message["from"], message["data"]) == (alice.id, f"{seq}")


async def go_on(client: NativeClient, server: MemoryServer, received: int) -> NativeClient:
    """The same session on another server, when the one that it had has told it to go."""
    assert (await client.closed())[0] == 1001
    again = await connect(server)
    assert (await again.resume(client.session, received))["type"] == "resumed"
    again.welcome = client.welcome
    return again


async def test_each_server_is_replaced_and_nobody_notices(cluster: ClusterSettings) -> None:
    async with serving(cluster, 2) as old, AsyncExitStack() as stack:
        alice, bob = await two(old)
        await talk(alice, bob, 1)
        new: list[MemoryServer] = []
        for server in old:
            one = await stack.enter_async_context(memory_server(cluster=cluster, drain_seconds=0.1))
            await until(lambda one=one: one.statistics.cluster_up == 1)
            new.append(one)
            server.scope.cancel()
            if server is old[0]:
                # Alice has heard of Bob only, and Bob of one message.
                alice = await go_on(alice, one, 1)
            else:
                bob = await go_on(bob, one, 2)
            await talk(alice, bob, len(new) + 1)
        assert all(got["type"] == "ack" for got in [*await alice.hear_all(), *await bob.hear_all()])


async def test_another_layout_is_refused_while_the_others_go_on(
    cluster: ClusterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        await talk(alice, bob, 1)
        with monkeypatch.context() as later:
            for module in (redis_checks, cluster_server):
                later.setattr(module, "LAYOUT", "2")
            with pytest.RaisesGroup(
                pytest.RaisesExc(ClusterError, match="'1' there, and '2' here"),
                flatten_subgroups=True,
                allow_unwrapped=True,
            ):
                async with tcp_server(cluster=cluster):
                    raise AssertionError("it starts")
        await talk(alice, bob, 2)


class Leaping(World):
    """Whose time of day is an hour early and an hour late in turn, as of two machines."""

    def __init__(self) -> None:
        super().__init__()
        self._apart = 3600.0

    def time(self) -> float:
        self._apart = -self._apart
        return REAL.time() + self._apart


async def test_clocks_may_be_an_hour_apart(cluster: ClusterSettings) -> None:
    set_world(Leaping())
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        await talk(alice, bob, 1)
        # A lease has been renewed by then, and what is due looked for.
        renewed = [server.statistics.cluster_batches for server in servers]
        await until(
            lambda: all(
                server.statistics.cluster_batches > before + 1
                for server, before in zip(servers, renewed, strict=True)
            )
        )
        again = await connect(servers[0])
        assert (await again.resume(bob.session, 1))["type"] == "resumed"
        again.welcome = bob.welcome
        await talk(alice, again, 2)
        assert [server.statistics.cluster_fenced for server in servers] == [0, 0]
        assert [server.statistics.cluster_lost for server in servers] == [0, 0]
