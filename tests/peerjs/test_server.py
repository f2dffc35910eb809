"""PeerJS's server protocol as its clients know it."""

from __future__ import annotations

import json
import uuid

import pytest
import trio
import trio.testing

from trio_rtc.server import PeerJSSettings
from trio_rtc.server.counters import PROTOCOLS
from trio_rtc.server.limits import ServerLimits

from ..server.harness import get, memory_server, tcp_server
from .clients import OFFER, PeerClient, connect, join, path, server_for_peers


async def test_an_id_is_made_up() -> None:
    async with server_for_peers() as server:
        answers = [await server.ask(get("/peerjs/id?ts=17&version=1.5.5")) for _ in range(2)]
        ids = {str(uuid.UUID(answer.body.decode())) for answer in answers}
        assert len(ids) == 2
        assert answers[0].status == 200
        assert answers[0].header("Access-Control-Allow-Origin") == "*"


async def test_what_one_says_to_another() -> None:
    async with server_for_peers() as server:
        alice, bob = await join(server, "alice"), await join(server, "bob")
        await alice.offer("bob", metadata={"any": [1, None, "é"]})
        assert await bob.hear() == {
            "type": "OFFER",
            "src": "alice",
            "dst": "bob",
            "payload": {**OFFER, "metadata": {"any": [1, None, "é"]}},
        }
        for type_ in ("ANSWER", "CANDIDATE"):
            await bob.say(type=type_, dst="alice", payload={"connectionId": "dc_1"})
            said = {"type": type_, "src": "bob", "dst": "alice"}
            assert await alice.hear() == {**said, "payload": {"connectionId": "dc_1"}}
        await alice.say(type="LEAVE", dst="bob")
        assert await bob.hear() == {"type": "LEAVE", "src": "alice", "dst": "bob"}
        assert server.statistics.joined == {**dict.fromkeys(PROTOCOLS, 0), "peerjs": 2}
        assert server.statistics.messages == 4


async def test_ids_may_have_spaces() -> None:
    async with server_for_peers() as server:
        alice = await join(server, "alice in-wonder_land 2")
        await alice.say(type="CANDIDATE", dst="alice in-wonder_land 2", payload=1)
        assert (await alice.hear())["src"] == "alice in-wonder_land 2"


async def test_a_heartbeat_is_answered_by_nothing() -> None:
    async with server_for_peers() as server:
        alice = await join(server, "alice")
        await alice.say(type="HEARTBEAT")
        await alice.say(type="CANDIDATE", dst="alice")
        assert (await alice.hear())["type"] == "CANDIDATE"


async def test_messages_wait_for_one_who_is_about_to_come() -> None:
    async with server_for_peers() as server:
        alice, carol = await join(server, "alice"), await join(server, "carol")
        await alice.offer("bob")
        await alice.say(type="CANDIDATE", dst="bob", payload={"n": 1})
        await carol.say(type="CANDIDATE", dst="bob", payload={"n": 2})
        await alice.say(type="LEAVE", dst="nobody")
        await trio.testing.wait_all_tasks_blocked()
        bob = await join(server, "bob")
        heard = [await bob.hear() for _ in range(3)]
        assert [(message["type"], message["src"]) for message in heard] == [
            ("OFFER", "alice"),
            ("CANDIDATE", "alice"),
            ("CANDIDATE", "carol"),
        ]
        # It is all told once.
        await alice.say(type="LEAVE", dst="bob")
        assert (await bob.hear())["type"] == "LEAVE"


async def test_messages_expire(autojump_clock: trio.testing.MockClock) -> None:
    async with server_for_peers() as server:
        alice = await join(server, "alice")
        await alice.offer("bob")
        await trio.sleep(4)
        await alice.say(type="CANDIDATE", dst="bob")
        assert await alice.hear() == {"type": "EXPIRE", "src": "bob", "dst": "alice"}
        assert 5 <= trio.current_time() < 8
        bob = await join(server, "bob")
        await alice.say(type="CANDIDATE", dst="bob", payload="later")
        assert (await bob.hear())["payload"] == "later"


async def test_what_waits_of_one_who_has_gone_is_dropped(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with server_for_peers() as server:
        alice = await join(server, "alice")
        await alice.offer("bob")
        await trio.testing.wait_all_tasks_blocked()
        await alice.stream.aclose()
        await trio.sleep(1)
        bob = await join(server, "bob")
        await bob.say(type="CANDIDATE", dst="bob")
        assert (await bob.hear())["src"] == "bob"
        await trio.sleep(20)
        assert server.statistics.failures == 0


async def test_the_same_token_goes_on_with_another_connection() -> None:
    async with server_for_peers() as server:
        before, bob = await join(server, "alice", "mine"), await join(server, "bob")
        after = await join(server, "alice", "mine")
        assert await before.closed() == (4409, "superseded")
        await bob.say(type="CANDIDATE", dst="alice", payload=1)
        assert (await after.hear())["payload"] == 1
        await after.say(type="CANDIDATE", dst="bob", payload=2)
        assert (await bob.hear())["src"] == "alice"
        assert server.statistics.resumed == 1
        assert server.statistics.peers["peerjs"] == 2
        await after.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert server.statistics.peers["peerjs"] == 1


async def test_whoever_leaves_makes_its_id_free() -> None:
    async with server_for_peers() as server:
        alice = await join(server, "alice", "one")
        await alice.say(type="LEAVE")
        assert await alice.closed() == (1000, "left")
        again = await join(server, "alice", "two")
        await again.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        await join(server, "alice", "three")


async def test_peers_are_listed_if_that_is_wanted() -> None:
    async with server_for_peers() as server:
        await join(server, "alice")
        assert (await server.ask(get("/peerjs/peers"))).status == 401
    async with server_for_peers(peerjs=PeerJSSettings(discovery=True)) as server:
        await join(server, "alice")
        await join(server, "bob")
        await server.sign_in("a%20classic%20peer")
        answer = await server.ask(get("/peerjs/peers"))
        assert answer.header("Content-Type") == "application/json"
        assert json.loads(answer.body) == ["alice", "bob"]


async def test_another_path_and_key() -> None:
    settings = PeerJSSettings(path="/my/app", key="mykey")
    async with server_for_peers(peerjs=settings) as server:
        assert json.loads((await server.ask(get("/my/app/"))).body)["name"] == "PeerJS Server"
        assert (await server.ask(get("/my/app/mykey/id"))).status == 200
        assert (await server.ask(get("/peerjs/id"))).status == 404
        client = await connect(server, path("alice", key="mykey", root="/my/app/"))
        assert await client.hear() == {"type": "OPEN"}


async def test_it_can_be_switched_off() -> None:
    async with server_for_peers(peerjs=None) as server:
        assert (await server.ask(get("/peerjs/id"))).status == 404
        client = PeerClient(await server.listener.connect(), path("alice"))
        assert (await client.open()).status_code == 400


@pytest.mark.parametrize("settings", [{"path": "app"}, {"key": "a/b"}, {"key": ""}])
def test_settings_that_make_no_sense(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"slash|key"):
        PeerJSSettings(**settings)  # type: ignore[arg-type]


async def test_it_is_told_when_the_server_ends() -> None:
    async with memory_server() as server:
        alice = await join(server, "alice")
        server.scope.cancel()
        assert await alice.closed() == (1001, "server_shutdown")


async def test_a_client_that_vanishes_is_noticed(autojump_clock: trio.testing.MockClock) -> None:
    async with server_for_peers() as server:
        alice, bob = await join(server, "alice"), await join(server, "bob")
        alice.pongs = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bob.receive)
            await trio.sleep(60)
            assert server.statistics.over_limit["pong_seconds"] == 1
            assert server.statistics.peers["peerjs"] == 1
            nursery.cancel_scope.cancel()


async def test_over_tcp() -> None:
    async with tcp_server() as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        client = PeerClient(stream, path("alice"))
        await client.open()
        assert await client.hear() == {"type": "OPEN"}
        await client.say(type="CANDIDATE", dst="alice", payload="x" * 100_000)
        assert len((await client.hear())["payload"]) == 100_000
        await stream.aclose()


async def test_what_waits_is_bounded() -> None:
    limits = ServerLimits(mailbox_messages=3, mailbox_bytes=1000)
    async with server_for_peers(limits=limits) as server:
        alice = await join(server, "alice")
        for number in range(3):
            await alice.say(type="CANDIDATE", dst=f"nobody-{number}")
        await alice.say(type="CANDIDATE", dst="one-more")
        assert await alice.hear() == {"type": "EXPIRE", "src": "one-more", "dst": "alice"}
        bob = await join(server, "bob")
        await bob.say(type="CANDIDATE", dst="nobody", payload="x" * 600)
        await bob.say(type="CANDIDATE", dst="nobody", payload="x" * 600)
        assert (await bob.hear())["type"] == "EXPIRE"


async def test_a_connection_that_comes_late_takes_no_place() -> None:
    """What a proxy held up is not heard of after what came later."""
    async with server_for_peers() as server:
        ours, other = "0123456789abcdef", "fedcba9876543210"

        async def connected(attempt: str) -> PeerClient:
            return await connect(server, f"{path('alice', 'mine')}&attempt={attempt}")

        second = await connected(f"{ours}-2")
        assert await second.hear() == {"type": "OPEN"}
        for late in (1, 2):
            client = await connected(f"{ours}-{late}")
            assert (await client.hear())["type"] == "ERROR"
            assert await client.closed() == (4409, "superseded")
        assert server.statistics.late == 2
        bob = await join(server, "bob")
        await bob.say(type="CANDIDATE", dst="alice", payload=1)
        assert (await second.hear())["payload"] == 1
        # Another program with our token, and one that does not count, go on as they are.
        for attempt in (f"{ours}-3", f"{other}-1", "x", "", f"{other}-1"):
            client = await connected(attempt)
            assert await client.hear() == {"type": "OPEN"}
        assert await second.closed() == (4409, "superseded")
