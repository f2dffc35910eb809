"""A native client over a limit: it is told, it is counted, and nobody else is disturbed."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from websockets.frames import Close

from trio_rtc.server import ServerLimits

from ..harness import get, memory_server, post
from ..native_client import NativeClient, connect, join, pair, serves
from ..ws_client import frame, text


@pytest.mark.parametrize(
    ("limit", "value", "count", "size"),
    [("mailbox_messages", 10, 10, 1), ("mailbox_bytes", 10_000, 9, 1000)],
)
async def test_a_receiver_that_does_not_acknowledge_gets_no_more(
    limit: str, value: int, count: int, size: int
) -> None:
    async with memory_server(limits=ServerLimits(**{limit: value})) as server:
        alice, bob = await join(server, "alice"), await join(server, "bob")
        await alice.hear()
        for seq in range(1, count + 3):
            await alice.say(type="send", seq=seq, to=bob.id, data="x" * size)
        failed = [one for one in await alice.hear_all() if one["type"] == "failed"]
        assert [(one["of"], one["code"]) for one in failed] == [
            (count + 1, "mailbox_full"),
            (count + 2, "mailbox_full"),
        ]
        assert server.statistics.over_limit[limit] == 2
        # Its place comes back with an acknowledgement, and the refused messages do not.
        assert len(await bob.hear_all()) == count
        await bob.say(type="ack", received=count)
        await alice.say(type="send", seq=count + 3, to=bob.id, data="fits")
        assert (await bob.hear())["data"] == "fits"
        for client in (alice, bob):
            await client.aclose()


async def test_a_session_that_does_not_fetch_even_notices_is_lost() -> None:
    async with memory_server(limits=ServerLimits(mailbox_messages=3)) as server:
        alice, bob = await join(server, "alice"), await join(server, "bob")
        await bob.aclose()
        visitors: list[NativeClient] = []
        for number in range(7):
            visitors.append(await join(server, f"visitor {number}"))
            for client in (alice, *visitors):
                heard = await client.hear_all()
                await client.say(type="ack", received=heard[-1]["seq"] if heard else 0)
        assert server.statistics.over_limit["mailbox_messages"] == 1
        assert server.statistics.peers["native"] == 8
        # The others heard that Bob has left, and nothing else.
        late = await join(server, "late")
        assert "bob" not in [peer["name"] for peer in late.welcome["peers"]]
        again = await connect(server)
        await again.say(type="resume", session=bob.session, received=0)
        assert await again.refusal() == ("session_lost", 4404, "session_lost")
        for client in (alice, *visitors, late, again):
            await client.aclose()


async def test_a_connected_session_that_overflows_is_told_so() -> None:
    async with memory_server(limits=ServerLimits(mailbox_messages=2)) as server:
        bob = await join(server, "bob")
        for number in range(5):
            await (await join(server, f"visitor {number}")).aclose()
        told = [await bob.hear() for _ in range(4)]
        assert {one["type"] for one in told} == {"joined"}
        assert await bob.receive() == Close(4404, "session_lost")
        await bob.aclose()
        await serves(server)


async def test_messages_of_others_do_not_end_a_session() -> None:
    async with memory_server(limits=ServerLimits(mailbox_messages=3)) as server:
        alice, bob = await join(server, "alice"), await join(server, "bob")
        for seq in range(1, 40):
            await alice.say(type="send", seq=seq, to=bob.id, data="x")
            heard = await alice.hear_all()
            if heard and "seq" in heard[-1]:
                await alice.say(type="ack", received=heard[-1]["seq"])
        assert len(await bob.hear_all()) == 3
        assert server.statistics.peers["native"] == 2
        for client in (alice, bob):
            await client.aclose()


FLOODS = {
    "messages": text('{"type":"ack","received":0}'),
    "unknown_messages": text('{"type":"new"}'),
    "pings": frame(9),
    "pongs": frame(10),
    "empty_fragments": text("", fin=False),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_too_many_frames(flood: bytes) -> None:
    limits = ServerLimits(messages_per_second=10, messages_burst=100)
    async with memory_server(limits=limits) as server, pair(server) as (alice, bob):
        many = flood * 200
        if flood == FLOODS["empty_fragments"]:
            many = flood + frame(0, fin=False) * 200
        await alice.send_raw(many)
        assert await alice.closed() == (4429, "too_fast")
        assert server.statistics.over_limit["messages_per_second"] == 1
        await bob.say(type="send", seq=1, to=bob.id, data="x")
        assert (await bob.hear())["data"] == "x"
        await serves(server)


async def test_another_connection_does_not_buy_another_burst(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = ServerLimits(messages_per_second=10, messages_burst=100, ping_seconds=10_000)
    async with memory_server(limits=limits) as server, pair(server) as (alice, bob):
        await alice.send_raw(text('{"type":"ack","received":1}') * 90)
        await alice.hear_all()
        again = await connect(server)
        assert (await again.resume(alice.session, 1))["type"] == "resumed"
        await again.send_raw(text('{"type":"ack","received":1}') * 50)
        assert await again.closed() == (4429, "too_fast")
        # The session is as it was; its time heals.
        await trio.sleep(10)
        third = await connect(server)
        assert (await third.resume(alice.session, 1))["type"] == "resumed"
        await third.send_raw(text('{"type":"ack","received":1}') * 90)
        await third.say(type="send", seq=1, to=bob.id, data="x")
        assert (await bob.hear())["data"] == "x"
        for client in (again, third):
            await client.aclose()


async def test_a_message_is_as_long_as_the_welcome_says() -> None:
    async with memory_server(limits=ServerLimits(body_bytes=1000)) as server:
        alice = await join(server, "alice")
        assert alice.welcome["max_message_bytes"] == 1000
        frame_ = '{"type":"send","seq":1,"to":1,"data":"%s"}'
        await alice.send(frame_ % ("x" * (1000 - len(frame_) + 2)))
        assert (await alice.hear())["type"] == "message"
        await alice.send(frame_ % ("x" * (1000 - len(frame_) + 3)))
        assert await alice.closed() == (1009, "message_too_big")
        assert server.statistics.over_limit["body_bytes"] == 1
        await alice.aclose()
        await serves(server)


async def test_what_escaping_makes_longer_still_arrives() -> None:
    """A classic message of the largest size is six times as long in JSON."""
    async with memory_server() as server:
        old = await server.sign_in("old")
        new = await join(server, "new")
        body = b"\x01" * 262_144
        assert (await server.ask(post(old, new.id, body))).status == 200
        assert (await new.hear())["data"].encode() == body
        # And one that is no UTF-8 a third.
        assert (await server.ask(post(old, new.id, b"\xff" * 262_144))).status == 200
        assert len((await new.hear())["data64"]) > 262_144
        await new.aclose()


@pytest.mark.parametrize("stage", ["connected", "half_a_message", "only_pings"])
async def test_a_client_that_opens_no_session(
    stage: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with memory_server() as server:
        client = await connect(server)
        async with trio.open_nursery() as nursery:

            async def dawdle() -> None:
                for byte in text('{"type":"hello","name":"x"}')[:20]:
                    await trio.sleep(3)
                    if stage == "half_a_message":
                        await client.send_raw(bytes([byte]))
                    elif stage == "only_pings":
                        await client.send_raw(frame(9))

            nursery.start_soon(dawdle)
            assert await client.refusal() == ("timeout", 4408, "timeout")
            nursery.cancel_scope.cancel()
        assert trio.current_time() == pytest.approx(10, abs=0.1)
        assert server.statistics.over_limit["handshake_seconds"] == 1
        await client.aclose()
        await serves(server)


async def test_a_client_that_has_vanished(autojump_clock: trio.testing.MockClock) -> None:
    """It is missed after 40 seconds, and its session waits for another 60."""
    limits = ServerLimits(ping_seconds=20, pong_seconds=20, resume_seconds=60)
    async with memory_server(limits=limits) as server:
        alice, bob = await join(server, "alice"), await join(server, "bob")
        await alice.hear()
        bob.pongs = False
        started = trio.current_time()
        assert await alice.hear() == {"type": "left", "seq": 2, "id": bob.id}
        assert 100 <= trio.current_time() - started <= 106
        assert alice.pings >= 2
        assert await bob.closed() == (4408, "no_pong")
        assert server.statistics.over_limit["pong_seconds"] == 1
        assert server.statistics.over_limit["resume_seconds"] == 1
        for client in (alice, bob):
            await client.aclose()
        assert (await server.ask(get("/healthz"))).body == b"ok"
