"""What libwebrtc and we add to a call that stands, and another way that either looks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from trio_rtc import Call, DataChannel, open_call, open_media, open_signaling, serve_calls

from ..processes import Command, python, server_here
from .foreign import needs_libwebrtc

pytestmark = needs_libwebrtc

PEER = Path(__file__).parent / "libwebrtc_peer.py"


WE_CALL, IT_CALLS = "we call", "it calls"
either_way = pytest.mark.parametrize("role", [WE_CALL, IT_CALLS])


@asynccontextmanager
async def in_a_call(role: str = WE_CALL) -> AsyncIterator[tuple[Call, DataChannel, Command]]:
    """One has called the other, and we have a channel that it echoes."""
    with trio.fail_after(200):
        async with (
            server_here() as url,
            open_signaling(url, name="alice") as signaling,
            trio.open_nursery() as nursery,
        ):
            give, take = trio.open_memory_channel[Call](1)

            async def hold(call: Call) -> None:
                await give.send(call)
                await call.wait_ended()

            async def call_it() -> None:
                await signaling.wait_for_peer("cpp")
                async with open_call(signaling, "cpp", receive=()) as call:
                    await hold(call)

            whom = ["alice"] if role == IT_CALLS else []
            async with python(str(PEER), url.rpartition(":")[2], "cpp", *whom) as cpp:
                if role == IT_CALLS:
                    nursery.start_soon(serve_calls, hold, signaling)
                else:
                    nursery.start_soon(call_it)
                call = await take.receive()
                async with await call.open_channel("chat") as channel:
                    yield call, channel, cpp
                await call.hang_up()
                assert await cpp.exit_status() == 0, cpp.errors
            nursery.cancel_scope.cancel()


async def echoes(channel: DataChannel) -> None:
    await channel.send("still there?")
    assert await channel.receive() == "still there?"


@either_way
async def test_we_add_tracks(role: str) -> None:
    async with (
        open_media(video="pattern", audio="tone") as tracks,
        in_a_call(role) as (call, channel, cpp),
    ):
        for track in tracks:
            await call.add_track(track)
            await cpp.event("track", kind=track.kind)
            await echoes(channel)


async def test_it_adds_a_section() -> None:
    async with in_a_call() as (call, channel, _):
        await channel.send("add video")
        assert (await anext(aiter(call.tracks))).kind == "video"
        await echoes(channel)


@either_way
async def test_we_restart_ice(role: str) -> None:
    async with in_a_call(role) as (call, channel, _):
        for _ in range(2):
            await call.restart()
            await echoes(channel)


async def test_it_restarts_ice() -> None:
    async with in_a_call() as (call, channel, _):
        before = call._connection.remote_description
        assert before is not None
        await channel.send("restart")
        while (after := call._connection.remote_description) == before:  # noqa: ASYNC110
            await trio.sleep(0.01)
        assert after is not None
        while call._connection.ice_connection_state != "completed":  # noqa: ASYNC110
            await trio.sleep(0.01)
        await echoes(channel)
        assert call.end is None
