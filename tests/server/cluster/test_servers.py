"""Members of different servers of a cluster, as the native protocol has them."""

from __future__ import annotations

import trio

from trio_rtc.server.cluster.cluster_settings import ClusterSettings

from ...redis_server import needs_redis
from ..native_client import connect, join
from .cluster_serving import hear, serving, two

pytestmark = needs_redis


async def test_members_of_all_servers_know_of_each_other(cluster: ClusterSettings) -> None:
    async with serving(cluster) as servers:
        clients = [await join(server, f"{number}") for number, server in enumerate(servers)]
        for number, client in enumerate(clients):
            there = [peer["name"] for peer in client.welcome["peers"]]
            assert there == [f"{other}" for other in range(number)]
            for later in clients[number + 1 :]:
                joined = await client.hear()
                assert (joined["type"], joined["id"]) == ("joined", later.id)
        await clients[0].say(type="leave")
        for client in clients[1:]:
            left = await client.hear()
            assert (left["type"], left["id"]) == ("left", clients[0].id)
        assert len({client.id for client in clients}) == len(clients)


async def test_messages_come_in_order_and_are_acknowledged(cluster: ClusterSettings) -> None:
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        for seq in range(1, 101):
            await alice.say(type="send", seq=seq, to=bob.id, data=f"{seq}")
        got = [(await hear(bob, "message"))["data"] for _ in range(100)]
        assert got == [f"{seq}" for seq in range(1, 101)]
        with trio.fail_after(30):
            while (await hear(alice, "ack"))["received"] < 100:
                pass


async def test_a_message_to_nobody_is_told_in_its_order(cluster: ClusterSettings) -> None:
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        await alice.say(type="send", seq=1, to=999, data="x")
        failed = await hear(alice, "failed")
        assert (failed["of"], failed["to"], failed["code"]) == (1, 999, "unknown_peer")
        await bob.say(type="send", seq=1, to=alice.id, data="y")
        message = await hear(alice, "message")
        assert message["seq"] == failed["seq"] + 1


async def test_rooms_do_not_hear_of_each_other(cluster: ClusterSettings) -> None:
    async with serving(cluster, 2) as servers:
        alice = await join(servers[0], "alice", room="one")
        bob = await join(servers[1], "bob", room="two")
        await alice.say(type="send", seq=1, to=bob.id, data="x")
        assert (await hear(alice, "failed"))["code"] == "unknown_peer"


async def test_a_session_goes_on_with_another_server(cluster: ClusterSettings) -> None:
    async with serving(cluster, 3) as servers:
        alice, bob = await two(servers)
        await alice.say(type="send", seq=1, to=bob.id, data="before")
        message = await hear(bob, "message")
        await hear(alice, "ack")
        again = await connect(servers[2])
        assert await again.resume(alice.session, 1, attempt=1) == {"type": "resumed", "received": 1}
        assert (await alice.closed())[0] == 4409
        await bob.say(type="send", seq=1, to=alice.id, data="to the new one")
        assert (await hear(again, "message"))["data"] == "to the new one"
        await again.say(type="send", seq=1, to=bob.id, data="before")
        await again.say(type="send", seq=2, to=bob.id, data="after")
        got = await hear(bob, "message")
        assert (got["data"], got["seq"], got["from"]) == ("after", message["seq"] + 1, alice.id)
        # Nobody has heard that anybody was gone.
        late = await connect(servers[1])
        await late.say(type="resume", session=alice.session, received=1, attempt=1)
        assert await late.refusal() == ("superseded", 4409, "superseded")


async def test_what_was_not_acknowledged_comes_again_elsewhere(cluster: ClusterSettings) -> None:
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        for seq in range(1, 11):
            await alice.say(type="send", seq=seq, to=bob.id, data=f"{seq}")
        first = [await hear(bob, "message") for _ in range(10)]
        again = await connect(servers[0])
        resumed = await again.resume(bob.session, first[3]["seq"])
        assert resumed["type"] == "resumed"
        assert [await again.hear() for _ in range(6)] == first[4:]
