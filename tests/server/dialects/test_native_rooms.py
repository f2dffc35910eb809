"""Who sees whom and may write to whom: rooms, and peers of both protocols in one of them."""

from __future__ import annotations

import base64

import pytest
import trio.testing

from trio_rtc.server.authorize import Admission, JoinRequest

from ..harness import get, memory_server, post
from ..native_client import connect, join, pair, serves


async def test_the_welcome_names_those_who_are_there() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        assert alice.welcome["peers"] == []
        assert bob.welcome["peers"] == [{"id": alice.id, "name": "alice"}]
        assert (bob.welcome["name"], bob.welcome["room"]) == ("bob", "")


async def test_rooms_know_nothing_of_each_other() -> None:
    async with memory_server() as server:
        alice = await join(server, "alice", room="den")
        bob = await join(server, "bob", room="attic")
        assert bob.welcome["peers"] == []
        assert (alice.welcome["room"], bob.welcome["room"]) == ("den", "attic")
        assert server.statistics.rooms == 2
        await alice.say(type="send", seq=1, to=bob.id, data="hello")
        assert await alice.hear() == {
            "type": "failed", "seq": 1, "of": 1, "to": bob.id, "code": "unknown_peer",
            "message": f"no peer {bob.id} is here",
        }  # fmt: skip
        carol = await join(server, "carol", room="den")
        assert (await alice.hear())["name"] == "carol"
        await carol.say(type="leave")
        assert (await alice.hear())["type"] == "left"
        assert await bob.hear_all() == []
        for client in (alice, bob, carol):
            await client.aclose()


@pytest.mark.parametrize("to", [2, 99, 2**53 - 1])
async def test_a_receiver_that_is_not_there(to: int) -> None:
    async with memory_server() as server:
        alice = await join(server, "alice")
        await alice.say(type="send", seq=1, to=to, data="hello")
        failed = await alice.hear()
        assert (failed["type"], failed["of"], failed["to"]) == ("failed", 1, to)
        assert failed["code"] == "unknown_peer"
        # That costs nothing but the message.
        await alice.say(type="send", seq=2, to=alice.id, data="to myself")
        echo = await alice.hear()
        assert (echo["type"], echo["seq"], echo["from"]) == ("message", 2, alice.id)
        await alice.aclose()


async def test_nobody_speaks_in_another_ones_name() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        await alice.say(
            type="send", seq=1, to=bob.id, data="x", id=bob.id, sender=7, **{"from": bob.id}
        )
        assert (await bob.hear())["from"] == alice.id


@pytest.mark.parametrize(
    "body",
    [b"", b"text", "ünïcödé \u2028 𝄞".encode(), b"\x00\x1f\x7f", b"\xff", bytes(range(256)),
     b"\xed\xa0\x80", b'"\\"'],
)  # fmt: skip
async def test_any_bytes_go_between_the_protocols(body: bytes) -> None:
    async with memory_server() as server:
        old = await server.sign_in("old")
        new = await join(server, "new")
        assert new.welcome["peers"] == [{"id": old, "name": "old", "protocol": "classic"}]
        assert (await server.poll(old)).body == b"new,%d,1\n" % new.id
        assert (await server.ask(post(old, new.id, body))).status == 200
        message = await new.hear()
        fields = {"data": body.decode()} if is_text(body) else {"data64": encoded(body)}
        assert message == {"type": "message", "seq": 1, "from": old, **fields}
        # Both forms are the same bytes.
        await new.say(type="send", seq=1, to=old, data64=encoded(body))
        answer = await server.poll(old)
        assert (answer.body, answer.pragma) == (body, new.id)
        assert answer.header("Content-Type") == "text/plain"
        if is_text(body):
            await new.say(type="send", seq=2, to=old, data=body.decode())
            assert (await server.poll(old)).body == body
        await new.aclose()


def is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


async def test_peers_of_both_protocols_see_each_other_come_and_go() -> None:
    async with memory_server() as server:
        new = await join(server, "new")
        old = await server.sign_in("old")
        assert await new.hear() == {
            "type": "joined", "seq": 1, "id": old, "name": "old", "protocol": "classic"
        }  # fmt: skip
        await server.ask(get(f"/sign_out?peer_id={old}"))
        assert await new.hear() == {"type": "left", "seq": 2, "id": old}
        old = await server.sign_in("old")
        await new.say(type="leave")
        assert (await server.poll(old)).body == b"new,%d,0\n" % new.id
        await new.aclose()


async def test_a_name_that_is_no_utf_8_is_told_as_far_as_it_goes() -> None:
    async with memory_server() as server:
        first = await join(server, "first")
        await server.sign_in("caf%E9")
        assert (await first.hear())["name"] == "caf\ufffd"
        second = await join(server, "second")
        assert second.welcome["peers"][1]["name"] == "caf\ufffd"
        for client in (first, second):
            await client.aclose()


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("", "peer_1"),
        ("a,b", "a_b"),
        ("a\r\nb\x00\u2028", "a__b__"),
        ("x" * 600, "x" * 512),
        ("ü" * 300, "ü" * 256),
        ("\U0001f600", "\U0001f600"),
    ],
)
async def test_names_that_others_could_not_be_told_are_changed(asked: str, given: str) -> None:
    async with memory_server() as server:
        client = await join(server, asked)
        assert client.welcome["name"] == given
        await client.aclose()


@pytest.mark.parametrize("room", ["a,b", "a\nb", "\x00", "x" * 513, "ü" * 257])
async def test_a_room_is_not_changed_but_refused(room: str) -> None:
    """Otherwise two rooms could become one."""
    async with memory_server() as server:
        client = await connect(server)
        await client.say(type="hello", name="x", room=room)
        assert await client.refusal() == ("bad_message", 4400, "bad_message")
        assert server.statistics.rooms == 0
        await client.aclose()
        await serves(server)


async def test_who_admits_decides_on_name_and_room() -> None:
    asked: list[JoinRequest] = []

    async def authorize(request: JoinRequest) -> Admission:
        asked.append(request)
        await trio.lowlevel.checkpoint()
        return Admission(name="the, queen", room="palace")

    async with memory_server(authorize=authorize) as server:
        client = await join(server, "alice", room="den", token="t")
        assert asked == [JoinRequest(name="alice", room="den", token="t", address="")]
        assert (client.welcome["name"], client.welcome["room"]) == ("the_ queen", "palace")
        await client.aclose()
