"""Cancelled anywhere, nothing is left, and the next connection works."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from trio_rtc.rtc import open_media, open_peer_connection
from trio_rtc.rtc.backend.aiortc_connection import LoopConnection
from trio_rtc.rtc.bridge.bridge import Bridge, open_bridge
from trio_rtc.rtc.bridge.engines import Portal

from .bridge.stepping import cancelled_after_each_step
from .conftest import sockets, tasks_left, threads
from .pairs import negotiate, open_channels, open_pair


async def assert_a_call_works() -> None:
    async with open_channels() as (ours, theirs, _, _):
        await ours.send("hello")
        assert await theirs.receive() == "hello"


@asynccontextmanager
async def open_kept_loop() -> AsyncIterator[Bridge]:
    """A loop that goes on, where what is left behind would stay."""
    async with open_bridge() as bridge:
        yield bridge
    # Now it has ended with the last of us.
    await assert_a_call_works()


async def assert_nothing_left(bridge: Bridge, before: set[str]) -> None:
    assert await bridge.run(tasks_left) == []
    gc.collect()
    assert sockets() == before
    # Beside the loop's own, only those of its executor, which wait for work.
    has_thread = isinstance(bridge._engine, Portal)
    assert len([name for name in threads() if not name.startswith("asyncio_")]) == has_thread


async def test_opening_and_closing() -> None:
    async def work() -> None:
        async with open_peer_connection() as connection:
            await connection.create_data_channel("chat")
            await connection.create_offer()

    async def after() -> None:
        assert threads() == []

    assert await cancelled_after_each_step(work, after) > 3
    await assert_a_call_works()


async def test_gathering() -> None:
    async def work() -> None:
        async with open_peer_connection() as connection:
            await connection.create_data_channel("chat")
            await connection.set_local_description()

    async with open_kept_loop() as bridge:
        before = sockets()
        assert (
            await cancelled_after_each_step(work, lambda: assert_nothing_left(bridge, before)) > 3
        )


@pytest.mark.parametrize("servers", [[], ["stun:127.0.0.1:9"]])
@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_gathering_step_by_step_of_the_loop(servers: list[str], how: str) -> None:
    async with open_kept_loop() as bridge:
        before = sockets()
        for steps in range(20):
            async with open_peer_connection(ice_servers=servers) as connection:
                await connection.create_data_channel("chat")
                loop_connection = connection._loop_connection

                async def gather(loop_connection: LoopConnection, steps: int) -> None:
                    task = asyncio.create_task(loop_connection.exchange.set_local_description(None))
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    if how == "cancelled":
                        task.cancel()
                    else:
                        await loop_connection.close(5)
                    await asyncio.wait([task])
                    # As it likes: it may have been done, and may have found itself closed.
                    task.cancelled() or task.exception()

                with trio.fail_after(30):
                    await bridge.run(gather, loop_connection, steps)
            await assert_nothing_left(bridge, before)


async def test_connecting_and_sending() -> None:
    async def work() -> None:
        async with open_channels() as (ours, theirs, _, _):
            await ours.send("hello")
            assert await theirs.receive() == "hello"
            await ours.aclose()
            assert [message async for message in theirs] == []

    async with open_kept_loop() as bridge:
        before = sockets()
        steps = await cancelled_after_each_step(
            work, lambda: assert_nothing_left(bridge, before), stride=3
        )
        assert steps > 10


async def test_connecting_with_media() -> None:
    async def work() -> None:
        async with open_media(audio="tone") as (track,), open_pair() as (alice, bob):
            await alice.connection.add_track(track)
            await negotiate(alice, bob)
            await anext(aiter(await bob.tracks.receive()))

    async with open_kept_loop() as bridge:
        before = sockets()
        steps = await cancelled_after_each_step(
            work, lambda: assert_nothing_left(bridge, before), stride=4
        )
        assert steps > 5


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1])
async def test_cancelled_from_outside_at_any_time(seconds: float) -> None:
    # A clock that runs freely reaches places that steps of ours do not.
    async def work() -> None:
        async with open_channels() as (ours, theirs, _, _):
            while True:
                await ours.send(b"x" * 50_000)
                await theirs.receive()

    with trio.move_on_after(seconds):
        await work()
    assert threads() == []
    await assert_a_call_works()


async def test_closing_cannot_be_cancelled_halfway() -> None:
    # A close of aiortc's that is cancelled would make every later one hang.
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await alice.connected.wait()
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(alice.connection.aclose)
                await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            assert alice.connection.connection_state == "closed"
            await bob.over.wait()


async def test_a_close_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with trio.fail_after(30):
        async with open_peer_connection(close_timeout=0.05) as connection:
            await connection.create_data_channel("chat")
            pc = connection._loop_connection._pc
            close = pc.close

            async def hang() -> None:
                await close()
                await asyncio.Event().wait()

            monkeypatch.setattr(pc, "close", hang)
            await connection.aclose()
            assert connection.connection_state == "closed"
    assert "did not close within 0.05 s" in caplog.text


async def test_a_close_that_fails_is_an_error_and_ends_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with trio.fail_after(30):
        async with open_media(audio="tone") as (track,), open_pair() as (alice, bob):
            await alice.connection.add_track(track)
            await negotiate(alice, bob)
            remote = await bob.tracks.receive()
            pc = bob.connection._loop_connection._pc
            close = pc.close

            async def fail() -> None:
                await close()
                raise KeyError("unexpected")

            with monkeypatch.context() as patch:
                patch.setattr(pc, "close", fail)
                with pytest.raises(KeyError, match="unexpected"):
                    await bob.connection.aclose()
            assert [frame async for frame in remote] == []
            assert bob.connection.connection_state == "closed"
            bob.connection._loop_connection._closing = None
