"""Who is silent, slow or does not read. All on a mock clock."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trio_rtc.server import ServerLimits
from trio_rtc.server.dialects.classic.classic_dialect import NO_NEWS

from ..harness import get, memory_server, post


async def test_a_peer_without_a_hanging_get_is_logged_out(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        await server.poll(alice)
        started = trio.current_time()
        answer = await server.poll(alice)
        assert (answer.body, answer.pragma) == (NO_NEWS, alice)
        hanging = await server.hang(alice)
        told = await hanging.answer()
        assert told is not None
        assert (told.body, told.pragma) == (b"bob,2,0\n", alice)
        assert 30 < trio.current_time() - started + 1 < 33
        assert (await server.poll(bob)).status == 404
        await hanging.stream.aclose()


async def test_a_hanging_get_keeps_its_peer(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        for _ in range(100):
            began = trio.current_time()
            answer = await server.poll(alice)
            assert (answer.status, answer.body, answer.pragma) == (200, NO_NEWS, alice)
            assert trio.current_time() - began == pytest.approx(25, abs=0.1)
        hanging = await server.hang(alice)
        await trio.sleep(20)
        bob = await server.sign_in("bob")
        told = await hanging.answer()
        assert told is not None
        assert told.body == b"bob,%d,1\n" % bob
        await hanging.stream.aclose()


@pytest.mark.parametrize(("asked", "hangs"), [("10", 10), ("2.5", 2.5), ("0", 1), ("90", 25)])
async def test_a_hanging_get_ends_when_its_client_wants(
    asked: str, hangs: float, autojump_clock: trio.testing.MockClock
) -> None:
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        began = trio.current_time()
        answer = await server.ask(get(f"/wait?peer_id={alice}&seconds={asked}"))
        assert (answer.status, answer.body, answer.pragma) == (200, NO_NEWS, alice)
        assert trio.current_time() - began == pytest.approx(hangs, abs=0.1)


@pytest.mark.parametrize("asked", ["x", "-1", "1e3", "nan", "1" * 20])
async def test_seconds_that_are_none(asked: str) -> None:
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        answer = await server.ask(get(f"/wait?peer_id={alice}&seconds={asked}"))
        assert (answer.status, answer.body.endswith(b".")) == (400, True)


async def test_a_peer_that_polls_without_pause_stays(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """None of its GETs ever hangs when somebody looks at the clock."""
    async with memory_server() as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        assert (await server.poll(alice)).body == b"bob,2,1\n"
        keeper = await server.hang(bob)
        for i in range(1200):
            assert (await server.ask(post(bob, alice, b"%d" % i))).status == 200
        for i in range(1200):
            assert (await server.poll(alice)).body == b"%d" % i
            await trio.sleep(0.1)
        assert trio.current_time() > 100
        await keeper.stream.aclose()


async def test_a_silent_client_is_closed_without_a_word(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server:
        assert await (await server.connect()).ended()
        assert trio.current_time() >= ServerLimits().request_seconds
        assert server.statistics.over_limit["request_seconds"] == 1


async def test_a_connection_between_requests_is_closed_without_a_word(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server:
        client = await server.connect()
        await client.send(get("/nothing", version="1.1"))
        assert await client.answer() is not None
        assert await client.ended()
        assert trio.current_time() >= ServerLimits().idle_seconds
        assert server.statistics.over_limit["idle_seconds"] == 1
        assert server.statistics.over_limit["request_seconds"] == 0


async def test_a_slow_head_is_408(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        client = await server.connect()

        async def drip() -> None:
            for byte in get("/nothing", extra="X: y\r\n" * 100):
                await client.send(bytes([byte]))
                await trio.sleep(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            answer = await client.answer()
            assert answer is not None
            assert (answer.status, answer.header("Connection")) == (408, "close")
            nursery.cancel_scope.cancel()
        await server.is_well()
        await client.stream.aclose()


async def test_a_slow_body_is_408(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        client = await server.connect()
        await client.send(post(1, 2, b"hello")[:-1])
        answer = await client.answer()
        assert answer is not None
        assert answer.status == 408
        await client.stream.aclose()


async def test_who_does_not_read_disturbs_nobody_and_loses_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        await server.poll(alice)
        stuck = await server.listener.connect_unread()
        await stuck.send_all(get(f"/wait?peer_id={bob}"))
        await trio.testing.wait_all_tasks_blocked()
        assert (await server.ask(post(alice, bob, b"hello"))).status == 200
        await server.is_well()
        await trio.sleep(ServerLimits().send_seconds + 1)
        assert (await server.poll(bob)).body == b"hello"
        await stuck.aclose()
