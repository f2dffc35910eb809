"""A remote track from its first frame on, for who reads it as soon as it is there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio
import trio.testing
from av import AudioFrame, VideoFrame

from trio_rtc.rtc import open_track

from ...calls.both_sides import next_track, open_both
from ..virtual import in_virtual_time
from .pictures import level, picture


async def one_slide() -> AsyncIterator[VideoFrame]:
    yield picture(200)
    await trio.sleep_forever()


@in_virtual_time
async def test_a_slide_that_came_before_it_was_looked_for() -> None:
    async with open_track("video", one_slide()) as track, open_both(receive=("video",)) as ends:
        await ends.alice.add_track(track)
        theirs = await next_track(ends.bob)
        while not any(t.packets for t in (await ends.bob.stats()).tracks):  # noqa: ASYNC110
            await trio.sleep(0.01)
        await trio.testing.wait_all_tasks_blocked(0.1)
        with trio.fail_after(10):
            for _ in range(2):
                assert abs(level(await anext(theirs.frames())) - 200) < 5


async def words() -> AsyncIterator[AudioFrame]:
    for _ in range(50):
        frame = AudioFrame("s16", "mono", 960)
        frame.planes[0].update(b"\x10\x20" * 960)
        frame.sample_rate = 48000
        yield frame


@in_virtual_time
async def test_all_that_is_said() -> None:
    async with open_track("audio", words()) as track, open_both(receive=("audio",)) as ends:
        heard = 0

        async def hear() -> None:
            nonlocal heard
            async for frame in await next_track(ends.bob):
                assert isinstance(frame, AudioFrame)
                heard += frame.samples

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hear)
                await ends.alice.add_track(track)
        assert heard == 50 * 960


async def brightening() -> AsyncIterator[VideoFrame]:
    for grey in range(30, 230, 2):
        yield picture(grey)
        await trio.sleep(1 / 30)


@in_virtual_time
async def test_who_comes_later_sees_what_is_new() -> None:
    async with open_track("video", brightening()) as track, open_both(receive=("video",)) as ends:
        await ends.alice.add_track(track)
        theirs = await next_track(ends.bob)
        frames = theirs.frames()
        for _ in range(25):
            last = level(await anext(frames))
        assert level(await anext(theirs.frames())) > last - 5
