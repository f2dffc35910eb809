"""A session over any number of connections: each message arrives once, and in order."""

from __future__ import annotations

import json
import random

import pytest
import trio
import trio.testing
from websockets.frames import Close

from trio_rtc.server import ServerLimits
from trio_rtc.server.http import accepting as connections

from ..harness import memory_server
from ..native_client import NativeClient, connect, join, pair, serves
from ..ws_client import text


async def test_messages_arrive_in_order() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        for number in range(1, 101):
            await alice.say(type="send", seq=number, to=bob.id, data=f"{number}")
        for number in range(1, 101):
            assert await bob.hear() == {
                "type": "message", "seq": number, "from": alice.id, "data": f"{number}",
            }  # fmt: skip


async def test_a_repetition_is_delivered_once_and_acknowledged_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        for _ in range(3):
            await alice.say(type="send", seq=1, to=bob.id, data="once")
        assert (await bob.hear())["data"] == "once"
        assert await alice.hear() == {"type": "ack", "received": 1}
        await alice.say(type="send", seq=1, to=bob.id, data="something else")
        assert await alice.hear() == {"type": "ack", "received": 1}
        assert await bob.hear_all() == []


@pytest.mark.parametrize(("size", "count"), [(1, 16), (33_000, 2)])
async def test_an_acknowledgement_is_due_after_so_much(size: int, count: int) -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        for number in range(1, count):
            await alice.say(type="send", seq=number, to=bob.id, data="x" * size)
        assert await alice.hear_all() == []
        await alice.say(type="send", seq=count, to=bob.id, data="x" * size)
        assert await alice.hear_all() == [{"type": "ack", "received": count}]


async def test_an_acknowledgement_is_due_after_a_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        await alice.say(type="send", seq=1, to=bob.id, data="x")
        started = trio.current_time()
        assert await alice.hear() == {"type": "ack", "received": 1}
        assert 1 <= trio.current_time() - started <= 2


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "send", "seq": 2, "to": 1, "data": "x"},
        {"type": "send", "seq": 2**53 - 1, "to": 1, "data": "x"},
        {"type": "ack", "received": 2},
        {"type": "ack", "received": 2**53 - 1},
    ],
)
async def test_numbers_that_make_no_sense_end_the_connection(fields: dict[str, object]) -> None:
    async with memory_server() as server, pair(server) as (alice, _):
        await alice.say(**fields)
        assert await alice.refusal() == ("sequence_gap", 4400, "bad_message")
        assert server.statistics.malformed == 1
        await serves(server)


async def test_an_old_acknowledgement_says_nothing_new() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        for number in range(1, 4):
            await bob.say(type="send", seq=number, to=alice.id, data=f"{number}")
            await alice.hear()
        for received in (4, 2, 0, 4):
            await alice.say(type="ack", received=received)
        await bob.say(type="send", seq=4, to=alice.id, data="still here")
        assert (await alice.hear())["data"] == "still here"


async def test_a_resumed_session_repeats_what_has_not_arrived() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        for number in range(1, 4):
            await bob.say(type="send", seq=number, to=alice.id, data=f"{number}")
        assert (await alice.hear())["seq"] == 2
        await alice.aclose()
        await bob.say(type="send", seq=4, to=alice.id, data="meanwhile")
        again = await connect(server)
        assert await again.resume(alice.session, 2) == {"type": "resumed", "received": 0}
        told = [await again.hear() for _ in range(3)]
        assert [(one["seq"], one["data"]) for one in told] == [
            (3, "2"), (4, "3"), (5, "meanwhile"),
        ]  # fmt: skip
        assert server.statistics.resumed == 1
        # Nobody has heard of it.
        assert not [one for one in await bob.hear_all() if one["type"] in ("joined", "left")]
        await again.aclose()


async def test_a_resumed_session_tells_what_has_arrived() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        for number in range(1, 4):
            await alice.say(type="send", seq=number, to=bob.id, data=f"{number}")
        assert [(await bob.hear())["data"] for _ in range(3)] == ["1", "2", "3"]
        await alice.aclose()
        again = await connect(server)
        assert await again.resume(alice.session, 1) == {"type": "resumed", "received": 3}
        # A client that does not believe it changes nothing.
        await again.say(type="send", seq=3, to=bob.id, data="3")
        await again.say(type="send", seq=4, to=bob.id, data="4")
        assert (await bob.hear())["data"] == "4"
        await again.aclose()


async def test_a_session_goes_on_from_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.1")
    limits = ServerLimits(peers_per_address=2)
    async with memory_server(limits=limits) as server, pair(server) as (alice, _):
        monkeypatch.setattr(connections, "peer_address", lambda stream: "2001:db8::7")
        again = await connect(server)
        assert (await again.resume(alice.session, 1))["type"] == "resumed"
        # It keeps its place at the address where it joined.
        assert await alice.closed() == (4409, "superseded")
        for _ in range(2):
            await (await join(server, "more")).aclose()
        await again.aclose()


async def test_the_newer_connection_wins_and_the_older_is_not_heard() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        again = await connect(server)
        assert (await again.resume(alice.session, 1))["type"] == "resumed"
        await alice.say(type="send", seq=1, to=bob.id, data="from the old one")
        assert await alice.receive() == Close(4409, "superseded")
        await again.say(type="send", seq=1, to=bob.id, data="from the new one")
        assert (await bob.hear())["data"] == "from the new one"
        assert await bob.hear_all() == []
        await again.aclose()


@pytest.mark.parametrize("secret", ["", "x", "x" * 43, "x" * 100_000, "\ud800"])
async def test_a_session_that_there_is_not(secret: str) -> None:
    async with memory_server() as server, pair(server) as (_, bob):
        client = await connect(server)
        await client.say(type="resume", session=secret, received=0)
        assert await client.closed() in [(4404, "session_lost"), (4400, "bad_message")]
        assert secret != "x" * 43 or client.protocol.close_rcvd == Close(4404, "session_lost")
        await bob.say(type="ack", received=0)
        await client.aclose()
        await serves(server)


async def test_secrets_are_long_and_none_is_like_another() -> None:
    async with memory_server() as server:
        clients = [await join(server, "x") for _ in range(20)]
        secrets = {client.session for client in clients}
        assert len(secrets) == 20
        assert all(len(secret) >= 43 for secret in secrets)
        for client in clients:
            # Nobody is told another one's.
            mine = str(client.welcome)
            assert sum(secret in mine for secret in secrets) == 1
            await client.aclose()


async def test_what_the_server_has_forgotten_cannot_be_asked_for() -> None:
    async with memory_server() as server, pair(server) as (alice, _):
        await alice.say(type="ack", received=1)
        again = await connect(server)
        await again.say(type="resume", session=alice.session, received=0)
        assert await again.refusal() == ("session_lost", 4404, "session_lost")
        # The session itself is as it was.
        third = await connect(server)
        assert (await third.resume(alice.session, 1))["type"] == "resumed"
        for client in (again, third):
            await client.aclose()


async def test_a_session_ends_when_nobody_comes_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = ServerLimits(resume_seconds=60, ping_seconds=10_000)
    async with memory_server(limits=limits) as server, pair(server) as (alice, bob):
        assert bob.welcome["resume_seconds"] == 60
        await alice.aclose()
        await trio.sleep(59)
        again = await connect(server)
        assert (await again.resume(alice.session, 1))["type"] == "resumed"
        await trio.sleep(1000)
        assert await bob.hear_all() == []
        await again.aclose()
        await trio.testing.wait_all_tasks_blocked()
        started = trio.current_time()
        assert await bob.hear() == {"type": "left", "seq": 1, "id": alice.id}
        assert 60 <= trio.current_time() - started <= 62
        late = await connect(server)
        await late.say(type="resume", session=alice.session, received=1)
        assert await late.refusal() == ("session_lost", 4404, "session_lost")
        assert server.statistics.over_limit["resume_seconds"] == 1
        await late.aclose()


async def test_leaving_ends_the_session() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        await alice.say(type="send", seq=1, to=bob.id, data="goodbye")
        await alice.say(type="leave")
        await alice.say(type="send", seq=2, to=bob.id, data="too late")
        assert await alice.receive() == Close(1000, "left")
        assert [await bob.hear() for _ in range(2)] == [
            {"type": "message", "seq": 1, "from": alice.id, "data": "goodbye"},
            {"type": "left", "seq": 2, "id": alice.id},
        ]
        again = await connect(server)
        await again.say(type="resume", session=alice.session, received=0)
        assert await again.closed() == (4404, "session_lost")
        await again.aclose()


@pytest.mark.parametrize("seed", range(10))
async def test_once_and_in_order_over_many_lost_connections(seed: int) -> None:
    """Both ways at once, each connection cut at any byte of what the client sends."""
    dice = random.Random(seed)
    async with memory_server() as server:
        alice, bob = await join(server, "alice"), await join(server, "bob")
        sent, received = 0, 1
        heard: list[str] = []
        assert (await alice.hear())["type"] == "joined"
        line: NativeClient = alice
        for said in range(40):
            await bob.say(type="send", seq=said + 1, to=alice.id, data=f"{said}")
            await line.send_raw(cut(dice, sent, bob.id))
            for message in (await line.hear_all())[: dice.randrange(3)]:
                if message["type"] == "message":
                    assert message["seq"] == received + 1
                    received += 1
                    heard.append(message["data"])
            await line.aclose()
            line = await connect(server)
            answer = await line.resume(alice.session, received)
            assert sent <= answer["received"] <= sent + 3
            sent = answer["received"]
        assert len(heard) > 20
        assert heard == [f"{number}" for number in range(len(heard))]
        arrived = [one["data"] for one in await bob.hear_all() if one["type"] == "message"]
        assert arrived == [f"{number}" for number in range(1, sent + 1)]
        await line.aclose()
        await bob.aclose()


def cut(dice: random.Random, sent: int, to: int) -> bytes:
    """The next three messages as frames, up to some byte."""
    frames = b"".join(
        text(f'{{"type":"send","seq":{seq},"to":{to},"data":"{seq}"}}')
        for seq in range(sent + 1, sent + 4)
    )
    return frames[: dice.randrange(len(frames) + 1)]


async def test_a_resume_that_comes_late_does_not_beat_a_newer_one() -> None:
    async with memory_server() as server:
        first = await join(server, "alice")
        newer = await connect(server)
        assert await newer.resume(first.session, 0, attempt=2) == {"type": "resumed", "received": 0}
        for attempt in ({"attempt": 1}, {"attempt": 2}, {}):
            late = await connect(server)
            refusal = await late.resume(first.session, 0, **attempt)
            assert (refusal["type"], refusal["code"]) == ("error", "superseded")
            assert await late.receive() == Close(4409, "superseded")
        assert server.statistics.late == 3
        await newer.say(type="send", seq=1, to=first.id, data="still here")
        assert (await newer.hear())["data"] == "still here"
        again = await connect(server)
        assert await again.resume(first.session, 1, attempt=3) == {"type": "resumed", "received": 1}
        server.listener.close_clients()


async def test_clients_that_do_not_count_their_resumes_are_believed() -> None:
    async with memory_server() as server:
        first = await join(server, "alice")
        for _ in range(2):
            again = await connect(server)
            assert (await again.resume(first.session, 0))["type"] == "resumed"
        server.listener.close_clients()


async def test_what_is_refused_is_told_to_its_sender() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        for number in range(1, 4):
            await alice.say(type="send", seq=number, to=bob.id, data=f"{number}")
            assert (await bob.hear())["seq"] == number
        await bob.say(type="refuse", seq=1, of=[2, 3])
        assert await bob.hear() == {"type": "ack", "received": 1}
        heard = [message for message in await alice.hear_all() if message["type"] == "failed"]
        assert [(message["of"], message["to"], message["code"]) for message in heard] == [
            (2, bob.id, "mailbox_full"),
            (3, bob.id, "mailbox_full"),
        ]
        # Said again, after a connection that was lost, it changes nothing.
        again = await connect(server)
        await again.resume(bob.session, 1, attempt=1)
        await again.say(type="refuse", seq=1, of=[2, 3])
        await again.say(type="refuse", seq=2, of=[2])
        await again.say(type="ack", received=3)
        await again.say(type="refuse", seq=3, of=[1, 2, 3])
        assert not await alice.hear_all()
        server.listener.close_clients()


@pytest.mark.parametrize(
    ("of", "code"),
    [([9], "sequence_gap"), ([], "bad_message"), ([0], "bad_message"), ("1", "bad_message")],
)
async def test_refusals_that_make_no_sense(of: object, code: str) -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        await alice.say(type="send", seq=1, to=bob.id, data="1")
        await bob.hear()
        await bob.say(type="refuse", seq=1, of=of)
        assert (await bob.hear())["code"] == code
        assert await bob.receive() == Close(4400, "bad_message")


async def test_what_nobody_sent_cannot_be_refused() -> None:
    async with memory_server() as server:
        alice = await join(server, "alice")
        bob = await connect(server)
        await bob.join("bob")
        joined = await alice.hear()
        await alice.say(type="refuse", seq=1, of=[joined["seq"]])
        assert await alice.hear() == {"type": "ack", "received": 1}
        assert not await bob.hear_all()
        server.listener.close_clients()


async def test_a_ping_is_answered() -> None:
    async with memory_server() as server, pair(server) as (alice, _):
        for _ in range(3):
            await alice.say(type="ping")
            assert await alice.hear() == {"type": "pong"}


def goodbye(*messages: dict[str, object]) -> bytes:
    body = "\n".join(map(json.dumps, messages)).encode()
    return b"POST /leave HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def test_the_last_messages_may_come_by_a_post() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        await alice.say(type="send", seq=1, to=bob.id, data="one")
        assert (await bob.hear())["data"] == "one"
        answer = await server.ask(
            goodbye(
                {"type": "resume", "session": alice.session, "received": 0},
                {"type": "send", "seq": 1, "to": bob.id, "data": "one"},
                {"type": "send", "seq": 2, "to": bob.id, "data": "two"},
                {"type": "leave"},
                {"type": "send", "seq": 3, "to": bob.id, "data": "never"},
            )
        )
        assert answer.status == 200
        assert (await bob.hear())["data"] == "two"
        assert (await bob.hear())["type"] == "left"
        assert (await alice.receive()) == Close(1000, "left")
        assert await bob.hear_all() == []


OWN: dict[str, object] = {"type": "resume", "session": "own", "received": 0}


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([{"type": "leave"}], 400),
        ([{"type": "resume", "session": "other", "received": 0}, {"type": "leave"}], 404),
        ([{"type": "resume"}], 400),
        ([{}], 400),
        (
            [OWN, {"type": "hello", "name": "x"}],
            400,
        ),
        (
            [OWN, {"type": "ack", "received": 9}],
            400,
        ),
        ([OWN, *[{"type": "ping"}] * 9000], 400),
    ],
)
async def test_last_messages_that_are_none(messages: list[dict[str, object]], status: int) -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        given = [
            {**one, "session": alice.session} if one.get("session") == "own" else one
            for one in messages
        ]
        answer = await server.ask(goodbye(*given))
        assert answer.status == status
        assert answer.body.decode().isprintable()
        assert await bob.hear_all() == []
