"""Calls and media with the engine that is not the default; the bridge's own tests run with both."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest
import trio
import trio.testing
from aiortc.codecs.vpx import Vp8Encoder

from trio_rtc.rtc import MediaTrack, open_media
from trio_rtc.rtc.bridge import engines
from trio_rtc.rtc.bridge.bridge import Bridge, open_bridge

from ..pairs import negotiate, open_channels, open_pair


@pytest.fixture(params=engines.ENGINES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    monkeypatch.setenv("TRIO_RTC_ENGINE", name)
    return name


async def test_an_engine_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_RTC_ENGINE", "steam")
    with pytest.raises(ValueError, match="'steam', and not one of stepped, portal"):
        async with open_bridge():
            pass


async def test_a_channel_both_ways_and_its_end(engine: str) -> None:
    async with open_channels() as (ours, theirs, _, _):
        for size in (1, 1000, 200_000):
            await ours.send(bytes(size))
            assert await theirs.receive() == bytes(size)
            await theirs.send("x" * size)
            assert await ours.receive() == "x" * size
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.aclose)
            assert [message async for message in theirs] == []


async def test_media_in_both_engines(engine: str) -> None:
    with trio.fail_after(60):
        async with open_media(video="pattern", audio="tone") as tracks, open_pair() as (alice, bob):
            for track in tracks:
                await alice.connection.add_track(track)
            await negotiate(alice, bob)
            kinds = set()
            for _ in tracks:
                theirs: MediaTrack = await bob.tracks.receive()
                async for _frame in theirs:
                    kinds.add(theirs.kind)
                    break
            assert kinds == {"video", "audio"}


async def test_pictures_are_encoded_by_other_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # It would hold up all of Trio.
    monkeypatch.setenv("TRIO_RTC_ENGINE", "stepped")
    seen: set[int] = set()
    encode = Vp8Encoder.encode

    def spy(self: Vp8Encoder, *args: Any, **options: Any) -> Any:
        seen.add(threading.get_ident())
        return encode(self, *args, **options)

    monkeypatch.setattr(Vp8Encoder, "encode", spy)
    await test_media_in_both_engines("stepped")
    assert seen
    assert threading.get_ident() not in seen


async def test_a_busy_loop_lets_the_tasks_of_trio_run(engine: str) -> None:
    async def spin() -> None:
        while True:  # noqa: ASYNC110  # That is the point.
            await asyncio.sleep(0)

    async with open_bridge() as bridge, trio.open_nursery() as nursery:
        nursery.start_soon(bridge.run, spin)
        with trio.fail_after(30):
            for _ in range(10):
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()


async def test_a_busy_loop_hears_its_sockets(engine: str) -> None:
    async def spin() -> int:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            came = asyncio.Event()
            loop.add_reader(ours, came.set)
            theirs.send(b"x")
            while not came.is_set():  # noqa: ASYNC110  # It is never idle.
                await asyncio.sleep(0)
            loop.remove_reader(ours)
        return 1

    with trio.fail_after(30):
        async with open_bridge() as bridge:
            assert await bridge.run(spin) == 1


async def test_timers_of_every_length(engine: str) -> None:
    """A later one is set before an earlier one, and while the loop waits for that."""

    async def wait(seconds: float) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        due = loop.time() + seconds
        loop.call_at(due, over.set)
        await over.wait()
        order.append(due)

    order: list[float] = []
    with trio.fail_after(30):
        async with open_bridge() as bridge, trio.open_nursery() as nursery:
            for seconds in (0.3, 0.05, 0.15, 0.0):
                nursery.start_soon(bridge.run, wait, seconds)
                await trio.sleep(0.01)
    assert len(order) == 4
    assert order == sorted(order)


async def test_in_a_task_of_trio_it_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_RTC_ENGINE", "stepped")

    def hand_over_more(bridge: Bridge) -> None:
        done.append("first")
        bridge.post(done.append, "on Trio")
        asyncio.get_running_loop().call_soon(done.append, "second")

    done: list[str] = []
    async with open_bridge() as bridge:
        bridge.call_soon(hand_over_more, bridge)
        assert done == ["first", "second"]
        await trio.testing.wait_all_tasks_blocked()
    assert done == ["first", "second", "on Trio"]


async def test_a_timer_that_is_set_without_a_turn_of_the_loop(engine: str) -> None:
    def set_timer() -> None:
        asyncio.get_running_loop().call_later(0.01, bridge.post, done.set)

    done = trio.Event()
    async with open_bridge() as bridge:
        await bridge.run(asyncio.sleep, 0)
        bridge.call_soon(set_timer)
        with trio.fail_after(30):
            await done.wait()
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()


async def test_what_trio_answers_with_is_done_as_well(engine: str) -> None:
    """Each side hands something over when it is called, and again."""

    def on_loop(left: int) -> None:
        bridge.post(on_trio, left)

    def on_trio(left: int) -> None:
        if left:
            bridge.call_soon(on_loop, left - 1)
        else:
            done.set()

    done = trio.Event()
    async with open_bridge() as bridge:
        bridge.call_soon(on_loop, 100)
        with trio.fail_after(30):
            await done.wait()


async def test_what_takes_long_is_no_warning(engine: str, caplog: pytest.LogCaptureFixture) -> None:
    async def watch() -> None:
        # As in Python's development mode.
        asyncio.get_running_loop().set_debug(True)

    async def block() -> None:
        time.sleep(0.2)  # noqa: ASYNC251

    async with open_bridge() as bridge:
        await bridge.run(watch)
        await bridge.run(block)
    assert [record.getMessage() for record in caplog.records] == []


def test_the_end_of_trio_ends_a_loop_that_nobody_left() -> None:
    async def main() -> None:
        engine = engines.Stepped()
        await engine.enter()
        engine.call_on_loop(lambda: asyncio.get_running_loop().call_later(3600, print))
        await trio.testing.wait_all_tasks_blocked()
        loops.append(engine._stepper.loop)

    loops: list[asyncio.AbstractEventLoop] = []
    trio.run(main)
    assert loops[0].is_closed()


def test_inside_another_loop_there_is_a_thread() -> None:
    # As in the guest mode of Trio.
    async def main() -> str:
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()

        async def guest() -> str:
            async with open_bridge() as bridge:
                await bridge.run(asyncio.sleep, 0)
                return type(bridge._engine).__name__

        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=lambda result: done.set_result(result.unwrap()),
        )
        return str(await done)

    assert asyncio.run(main()) == "Portal"
