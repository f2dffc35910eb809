"""PeerJS clients that break the rules are told so, and nobody else notices."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import trio
import trio.testing

from trio_rtc.server.authorize import Admission, JoinRequest, shared_secret
from trio_rtc.server.http import accepting as connections
from trio_rtc.server.limits import ServerLimits

from ..server.ws_client import frame
from .clients import PeerClient, connect, error_of, join, path, server_for_peers, still_well


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"type":"OFFER","payload":{}}', "no dst"),
        ('{"type":"ANSWER","dst":"","payload":{}}', "no dst"),
        ('{"type":"OFFER","dst":5}', "no message of PeerJS"),
        ('{"type":"SHOUT","dst":"bystander-1"}', "'SHOUT'"),
        ('{"type":"OPEN","dst":"bystander-1"}', "'OPEN'"),
        ('{"type":"ID-TAKEN","dst":"bystander-1"}', "'ID-TAKEN'"),
        ('{"dst":"bystander-1"}', "type"),
        ('{"type":7}', "no message of PeerJS"),
        ("hello", "no message of PeerJS"),
        ("", "no message of PeerJS"),
        ("[1,2]", "no message of PeerJS"),
        ("[" * 5000, "no message of PeerJS"),
        ('{"type":"OFFER","dst":"bystander-1","payload":{"a":}}', "no message of PeerJS"),
    ],
)
async def test_a_bad_message_is_an_error(text: str, why: str) -> None:
    async with server_for_peers() as server, still_well(server):
        alice = await join(server, "alice")
        await alice.send(text)
        assert why in error_of(await alice.hear())
        # It may go on.
        await alice.say(type="CANDIDATE", dst="alice", payload=1)
        assert (await alice.hear())["payload"] == 1
        assert server.statistics.malformed == 1


async def test_nobody_speaks_as_somebody_else() -> None:
    async with server_for_peers() as server:
        alice, bob = await join(server, "alice"), await join(server, "bob")
        await join(server, "carol")
        await alice.say(type="CANDIDATE", dst="bob", src="carol", payload={"src": "carol"})
        heard = {"type": "CANDIDATE", "src": "alice", "dst": "bob", "payload": {"src": "carol"}}
        assert await bob.hear() == heard
        await alice.say(type="LEAVE", src="carol", dst="bob")
        assert (await bob.hear())["src"] == "alice"


async def test_an_id_that_is_taken() -> None:
    async with server_for_peers() as server, still_well(server):
        alice = await join(server, "alice", "one")
        other = await connect(server, path("alice", "two"))
        assert await other.hear() == {"type": "ID-TAKEN", "payload": {"msg": "ID is taken"}}
        assert (await other.closed())[0] == 4403
        await alice.say(type="CANDIDATE", dst="alice")
        assert (await alice.hear())["src"] == "alice"


@pytest.mark.parametrize(
    "id_", ["-alice", "alice-", "al--ice", "al ice ", "älice", "a/b", "a.b", "a" * 257, "a\n", "٣"]
)
async def test_an_id_that_is_none(id_: str) -> None:
    async with server_for_peers() as server, still_well(server):
        client = await connect(server, path(id_))
        assert "is invalid" in error_of(await client.hear())
        assert await client.closed() == (4400, "bad_message")


async def test_a_long_id_takes_no_time() -> None:
    async with server_for_peers() as server:
        client = await connect(server, path("a-" * 5000))
        assert "is invalid" in error_of(await client.hear())


@pytest.mark.parametrize("key", ["other", "PEERJS", "peerjs2", "schlüssel"])
async def test_a_key_that_is_not_ours(key: str) -> None:
    async with server_for_peers() as server, still_well(server):
        client = await connect(server, path("alice", key=quote(key)))
        assert await client.hear() == {
            "type": "INVALID-KEY",
            "payload": {"msg": "Invalid key provided"},
        }
        assert (await client.closed())[0] == 4401
        assert server.statistics.refused == 1


@pytest.mark.parametrize(
    "query", ["", "?", "?key=peerjs&id=alice", "?key=peerjs&token=x", "?id=alice&token=x", "?%ff=&"]
)
async def test_what_is_missing_in_the_address(query: str) -> None:
    async with server_for_peers() as server, still_well(server):
        client = await connect(server, f"/peerjs{query}")
        assert error_of(await client.hear()) == "No id, token, or key supplied to websocket server"
        assert (await client.closed())[0] == 4400


async def test_an_oversized_message() -> None:
    async with server_for_peers() as server, still_well(server):
        alice = await join(server, "alice")
        with trio.move_on_after(5):
            await alice.send("x" * 300_000)
        assert await alice.closed() == (1009, "message_too_big")
        assert server.statistics.over_limit["body_bytes"] == 1


async def test_a_binary_message() -> None:
    async with server_for_peers() as server, still_well(server):
        alice = await join(server, "alice")
        await alice.send_raw(frame(2, b"\x00"))
        assert (await alice.closed())[0] == 1003


async def test_a_flood() -> None:
    limits = ServerLimits(messages_per_second=1, messages_burst=20)
    async with server_for_peers(limits=limits) as server:
        alice = await join(server, "alice")
        for _ in range(30):
            await alice.say(type="HEARTBEAT")
        assert (await alice.closed())[0] == 4429


async def test_a_flood_over_many_connections() -> None:
    limits = ServerLimits(messages_per_second=1, messages_burst=20)
    async with server_for_peers(limits=limits) as server:
        for number in range(5):
            alice = await join(server, "alice")
            if number < 4:
                for _ in range(4):
                    await alice.say(type="HEARTBEAT")
                await trio.testing.wait_all_tasks_blocked()
        for _ in range(6):
            await alice.say(type="HEARTBEAT")
        assert (await alice.closed())[0] == 4429


async def test_a_receiver_that_does_not_read_is_told_of_to_the_sender() -> None:
    limits = ServerLimits(mailbox_bytes=50_000)
    async with server_for_peers(limits=limits) as server:
        alice = await join(server, "alice")
        slow = PeerClient(await server.listener.connect_unread(), path("slow"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow.open)
            await trio.testing.wait_all_tasks_blocked()
            assert await slow.hear() == {"type": "OPEN"}
            for _ in range(10):
                await alice.say(type="CANDIDATE", dst="slow", payload="x" * 10_000)
            assert await alice.hear() == {"type": "EXPIRE", "src": "slow", "dst": "alice"}
            assert server.statistics.over_limit["mailbox_bytes"] > 0
            nursery.cancel_scope.cancel()
            await trio.aclose_forcefully(slow.stream)


async def test_a_server_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server_for_peers(limits=ServerLimits(peers=1)) as server:
        await join(server, "alice")
        client = await connect(server, path("bob"))
        assert error_of(await client.hear()) == "Server has reached its concurrent user limit"
        assert await client.closed() == (4503, "no_place")
    monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.1")
    async with server_for_peers(limits=ServerLimits(peers_per_address=1)) as server:
        await server.sign_in("classic")
        client = await connect(server, path("bob"))
        assert (await client.hear())["type"] == "ERROR"


async def test_a_token_that_is_not_the_right_one() -> None:
    async with server_for_peers(authorize=shared_secret("open sesame")) as server:
        client = await connect(server, path("alice", "open barley"))
        assert error_of(await client.hear()) == "The token is not the right one."
        assert (await client.closed())[0] == 4401
        await join(server, "alice", "open sesame")


async def test_a_token_for_somebody_else() -> None:
    async def authorize(request: JoinRequest) -> Admission:
        return Admission(name=f"the honourable {request.name}", room="")

    async with server_for_peers(authorize=authorize) as server:
        client = await connect(server, path("alice"))
        assert "the honourable alice" in error_of(await client.hear())
        assert (await client.closed())[0] == 4403


async def test_rooms_do_not_hear_each_other() -> None:
    async def authorize(request: JoinRequest) -> Admission:
        assert request.token is not None
        return Admission(name=request.name, room=request.token)

    async with server_for_peers(authorize=authorize) as server:
        one, two = await join(server, "alice", "one"), await join(server, "alice", "two")
        bob = await join(server, "bob", "two")
        await bob.say(type="CANDIDATE", dst="alice", payload=1)
        assert (await two.hear())["src"] == "bob"
        await one.say(type="CANDIDATE", dst="bob", payload=2)
        await one.say(type="CANDIDATE", dst="alice", payload=3)
        assert (await one.hear())["payload"] == 3


async def test_a_decision_that_takes_too_long(autojump_clock: trio.testing.MockClock) -> None:
    async def authorize(request: JoinRequest) -> Admission:
        await trio.sleep_forever()
        raise AssertionError

    async with server_for_peers(authorize=authorize) as server:
        client = await connect(server, path("alice"))
        assert "in time" in error_of(await client.hear())
        assert (await client.closed())[0] == 4408


async def test_leaving_races_with_what_others_say() -> None:
    async with server_for_peers() as server:
        bob = await join(server, "bob")
        for number in range(50):
            alice = await join(server, "alice", str(number))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: bob.say(type="CANDIDATE", dst="alice", payload=1))
                await alice.say(type="LEAVE")
                await alice.closed()
        await bob.say(type="CANDIDATE", dst="bob", payload="here")
        while (heard := await bob.hear())["type"] == "EXPIRE":
            pass
        assert heard["payload"] == "here"
        assert server.statistics.failures == 0
        assert server.statistics.peers["peerjs"] == 1


async def test_a_page_of_another_origin() -> None:
    async with server_for_peers(origins=["https://app.example.org"]) as server:
        client = PeerClient(await server.listener.connect(), path("alice"))
        response = await client.open({"Origin": "https://evil.example"})
        assert response.status_code == 403
        client = PeerClient(await server.listener.connect(), path("alice"))
        assert (await client.open({"Origin": "https://app.example.org"})).status_code == 101
