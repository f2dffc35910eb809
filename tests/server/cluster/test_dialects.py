"""Peers of all protocols on different servers of a cluster."""

from __future__ import annotations

import trio

from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.limits import ServerLimits

from ...peerjs import clients as peerjs
from ...redis_server import RedisProcess, needs_redis
from ..harness import MemoryServer, post
from ..native_client import connect, join
from .cluster_serving import hear, serving, until

pytestmark = needs_redis


async def news(server: MemoryServer, peer: int) -> tuple[int | None, bytes]:
    """Whom the next answer to a GET is of, and what it says."""
    answer = await server.poll(peer)
    assert answer.status == 200
    return answer.pragma, answer.body


async def test_classic_and_native(cluster: ClusterSettings) -> None:
    async with serving(cluster, 2) as servers:
        classic = await servers[0].sign_in("classic")
        native = await join(servers[1], "native")
        assert [peer["name"] for peer in native.welcome["peers"]] == ["classic"]
        assert await news(servers[0], classic) == (classic, b"native,%d,1\n" % native.id)
        await native.say(type="send", seq=1, to=classic, data="to classic")
        assert await news(servers[0], classic) == (native.id, b"to classic")
        assert (await servers[0].ask(post(classic, native.id, b"to native"))).status == 200
        assert (await hear(native, "message"))["data"] == "to native"


async def test_classic_peers_ask_whichever_server(
    cluster: ClusterSettings, shared_redis: RedisProcess
) -> None:
    async with serving(cluster, 3) as servers:
        alice = await servers[0].sign_in("alice")
        bob = await servers[1].sign_in("bob")
        for number in range(6):
            server = servers[number % 3]
            assert (await server.ask(post(alice, bob, b"%d" % number))).status == 200
            assert await news(servers[(number + 1) % 3], bob) == (alice, b"%d" % number)
            # Its protocol has no numbers: before this is noted, another server would tell it again.
            mail = f"{cluster.prefix}:1:m:{bob}"
            await until(lambda mail=mail: shared_redis.ask("LLEN", mail) == "0")
        assert await news(servers[2], alice) == (alice, b"bob,%d,1\n" % bob)
        assert (await servers[0].ask(post(alice, 99, b"x"))).status == 500
        # What somebody says whose GET hangs elsewhere does not end that.
        hanging = await servers[2].hang(bob)
        assert (await servers[0].ask(post(bob, alice, b"meanwhile"))).status == 200
        assert (await servers[1].ask(post(alice, bob, b"news"))).status == 200
        answer = await hanging.answer()
        assert answer is not None
        assert answer.body == b"news"


async def test_peerjs_and_others(cluster: ClusterSettings) -> None:
    async with serving(cluster, 2) as servers:
        alice = await peerjs.join(servers[0], "alice")
        bob = await peerjs.join(servers[1], "bob")
        native = await join(servers[1], "native")
        await alice.offer("bob")
        assert (await bob.hear())["src"] == "alice"
        await alice.offer("native")
        assert '"offer"' in (await hear(native, "message"))["data"]
        # It waits for somebody who comes on another server.
        await alice.offer("carol")
        with trio.fail_after(30):
            carol = await peerjs.join(servers[1], "carol")
            assert (await carol.hear())["src"] == "alice"


async def test_ids_of_peerjs_are_one_peers_in_the_cluster(cluster: ClusterSettings) -> None:
    async with serving(cluster, 2) as servers:
        await peerjs.join(servers[0], "alice", "hers")
        other = await peerjs.connect(servers[1], peerjs.path("alice", "another"))
        assert (await other.hear())["type"] == "ID-TAKEN"
        again = await peerjs.connect(servers[1], peerjs.path("alice", "hers"))
        assert (await again.hear())["type"] == "OPEN"
        bob = await peerjs.join(servers[0], "bob")
        await bob.offer("alice")
        assert (await again.hear())["src"] == "bob"


async def test_a_room_has_an_end(cluster: ClusterSettings) -> None:
    async with serving(cluster, 2, limits=ServerLimits(room_peers=2)) as servers:
        for server in servers:
            await join(server, "x")
        third = await connect(servers[0])
        await third.say(type="hello", name="x")
        assert (await third.refusal())[0] == "room_peers"
        await join(servers[1], "x", room="elsewhere")
