"""Frames that a program makes, as a track."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction
from time import sleep as stand_still

import numpy as np
import pytest
import trio
from av import AudioFrame, VideoFrame

from trio_rtc.errors import MediaError
from trio_rtc.rtc import MediaTrack
from trio_rtc.rtc.backend.media.generated_track import Generated
from trio_rtc.rtc.backend.media.pace import FramePacer
from trio_rtc.rtc.media.generator import open_track

from ...calls.both_sides import next_track, open_both
from ..virtual import in_virtual_time
from .pictures import FPS, grey, level, picture, tone, until_level, until_loud


async def few(count: int) -> AsyncIterator[VideoFrame]:
    for number in range(count):
        yield picture(10 * number)


async def levels(track: MediaTrack) -> list[float]:
    return [level(frame) async for frame in track]


@in_virtual_time
async def test_every_frame_arrives_in_order_and_then_the_end() -> None:
    async with open_track("video", few(5)) as track:
        assert track.kind == "video"
        found = await levels(track)
    assert [round(value / 10) for value in found] == [0, 1, 2, 3, 4]


@in_virtual_time
async def test_the_next_frame_is_asked_for_when_the_last_was_taken() -> None:
    made = 0

    async def count() -> AsyncIterator[VideoFrame]:
        nonlocal made
        while True:
            made += 1
            yield picture(0)

    async with open_track("video", count()) as track:
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert made <= 2
        frames = aiter(track)
        for _ in range(10):
            await anext(frames)
        assert made >= 10


@in_virtual_time
async def test_times_are_given_to_frames_that_have_none() -> None:
    async def sound() -> AsyncIterator[AudioFrame]:
        for _ in range(3):
            frame = AudioFrame(format="s16", layout="mono", samples=480)
            frame.sample_rate = 48000
            yield frame

    async with open_track("audio", sound()) as track:
        assert [frame.pts async for frame in track] == [0, 480, 960]
    async with open_track("video", few(3)) as track:
        times = [frame.time or 0.0 async for frame in track]
        assert times == sorted(times)
        assert times[0] == 0


@pytest.mark.parametrize("samples", [480, 960, 48000])
@pytest.mark.parametrize("has_times", [True, False])
@in_virtual_time
async def test_sound_that_is_made_quickly_is_held_up(samples: int, has_times: bool) -> None:
    made = 0

    async def speech() -> AsyncIterator[AudioFrame]:
        nonlocal made
        while True:
            frame = AudioFrame(format="s16", layout="mono", samples=samples)
            frame.sample_rate = 48000
            if has_times:
                frame.pts, frame.time_base = made * samples, Fraction(1, 48000)
            made += 1
            yield frame

    async with open_track("audio", speech()) as track:
        began = trio.current_time()
        frames = aiter(track)
        last = [await anext(frames) for _ in range(1 + 48000 // samples)][-1]
        # The last one begins a second after the first.
        assert last.time == 1
        assert trio.current_time() - began > 0.99
        assert made <= 4 + 48000 // samples


@in_virtual_time
async def test_pictures_that_are_made_quickly_all_arrive() -> None:
    async def film() -> AsyncIterator[VideoFrame]:
        for number in range(60):
            frame = picture(4 * number)
            frame.pts, frame.time_base = number, Fraction(1, 60)
            yield frame

    async with open_track("video", film()) as track, open_both(receive=("video",)) as ends:
        await ends.alice.add_track(track)
        remote = await next_track(ends.bob)
        assert len([frame async for frame in remote]) > 45


@in_virtual_time
async def test_sound_without_times_is_in_step_after_a_pause() -> None:
    goes_on = trio.Event()

    async def sound() -> AsyncIterator[AudioFrame]:
        for number in range(4):
            if number == 2:
                await goes_on.wait()
            frame = AudioFrame(format="s16", layout="mono", samples=960)
            frame.sample_rate = 48000
            yield frame

    async with open_track("audio", sound()) as track:
        frames = aiter(track)
        began = trio.current_time()
        times = [(await anext(frames)).time for _ in range(2)]
        await trio.sleep(0.5)
        passed = trio.current_time() - began
        goes_on.set()
        times += [(await anext(frames)).time for _ in range(2)]
    assert times[:2] == [0, 0.02]
    assert passed - 0.02 < (times[2] or 0.0) < passed + 5
    assert times[3] == pytest.approx((times[2] or 0.0) + 0.02)


def test_a_process_that_stands_still_is_no_pause_of_the_sound() -> None:
    """As one does that is not scheduled: no program could have made sound meanwhile."""

    async def run() -> list[int | None]:
        generated, found = Generated("audio"), list[int | None]()

        async def read() -> None:
            for _ in range(6):
                found.append((await generated.recv()).pts)

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            for number in range(6):
                frame = AudioFrame(format="s16", layout="mono", samples=960)
                frame.sample_rate = 48000
                await generated.put(frame)
                await asyncio.sleep(0.02)
                if number % 2:
                    stand_still(0.3)  # noqa: ASYNC251
        return found

    assert asyncio.run(run()) == [960 * number for number in range(6)]


def test_a_pace() -> None:
    pace = FramePacer()
    assert pace.wait(7.0, 100.0) == 0
    assert pace.wait(7.5, 100.0) == 0.5
    # A little late: what follows makes up for it.
    assert pace.wait(7.6, 100.7) == 0
    assert pace.wait(7.7, 100.7) == 0
    assert pace.wait(7.8, 100.7) == pytest.approx(0.1)
    # After a pause the rest does not come all at once.
    assert pace.wait(7.9, 103.0) == 0
    assert pace.wait(8.0, 103.0) == pytest.approx(0.1)
    # Clocks that are set.
    assert pace.wait(3.0, 104.0) == 0
    assert pace.wait(3.5, 104.0) == 0.5
    assert pace.wait(3604.0, 104.5) == 0
    assert pace.wait(3604.5, 104.5) == 0.5
    assert pace.time(105.0) == pytest.approx(3604.5)


@pytest.mark.parametrize("late", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("leap", [0.0, 0.4])
def test_a_program_with_a_clock_catches_up(late: float, leap: float) -> None:
    """As a camera: one picture is late, what is behind it is left out; or its clock leaps."""
    pace, now, number = FramePacer(), 0.0, 0
    while number < 240:
        made = number / 30 + late * (number == 10)
        was_awaited = made > now
        now = max(now, made)
        now += pace.wait(number / 30 + leap * (number > 120), now, was_awaited=was_awaited)
        lag = now - number / 30
        number = max(number, int(now * 30)) + 1
    assert lag <= 0.07


@pytest.mark.parametrize("work", [0.0, 0.006, 0.019])
def test_a_program_without_one_is_held_up(work: float) -> None:
    """It takes so long for each frame, and pauses once."""
    pace, now, ready = FramePacer(), 0.0, 0.0
    for number in range(500):
        ready += 7 if number == 250 else 0
        was_awaited = ready > now
        now = max(now, ready)
        # The next one is begun when this one is taken.
        ready = now + work
        now += pace.wait(number / 50, now, was_awaited=was_awaited)
    assert now == pytest.approx(7 + 499 / 50, abs=0.25)


def test_a_frame_is_of_when_it_was_given_and_not_of_when_it_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A camera that nobody reads as yet is not late for ever, for its first picture is old."""
    began: list[float] = []
    monkeypatch.setattr(FramePacer, "wait", lambda _, time, now, **__: began.append(now - time))

    async def run() -> float:
        generated = Generated("video")
        frame = picture(100)
        frame.pts, frame.time_base = 0, Fraction(1, 90_000)
        await generated.put(frame)
        given = asyncio.get_running_loop().time()
        await asyncio.sleep(0.01)
        await generated.recv()
        return given

    given = asyncio.run(run())
    assert len(began) == 1
    assert began[0] <= given


@in_virtual_time
async def test_the_same_picture_again_and_again() -> None:
    still = picture(77)

    async def frames() -> AsyncIterator[VideoFrame]:
        while True:
            yield still
            await trio.sleep(1 / FPS)

    async with open_track("video", frames()) as track, open_both(receive=("video",)) as ends:
        await ends.alice.add_track(track)
        await until_level(await next_track(ends.bob), 77)
        first, *_, last = [await anext(aiter(track)) for _ in range(3)]
        assert first is not last
        assert (first.time or 0.0) < (last.time or 0.0)
    assert still.pts is None


@in_virtual_time
async def test_the_generator_is_closed_at_the_end_of_the_block() -> None:
    closed = False

    async def frames() -> AsyncIterator[VideoFrame]:
        nonlocal closed
        try:
            while True:
                yield picture(0)
                await trio.sleep_forever()
        finally:
            closed = True

    async with open_track("video", frames()) as track:
        await anext(aiter(track))
    assert closed


@in_virtual_time
async def test_a_generator_that_raises_ends_its_track_and_no_call() -> None:
    async def broken() -> AsyncIterator[VideoFrame]:
        for _ in range(3):
            yield picture(200)
            await trio.sleep(1 / FPS)
        raise ZeroDivisionError("no more paint")

    with pytest.raises(MediaError, match="no more paint") as raised:
        async with open_track("video", broken()) as track, open_both(receive=("video",)) as ends:
            await ends.alice.add_track(track)
            theirs = await anext(aiter(ends.bob.tracks))
            with pytest.raises(MediaError, match="no more paint"):
                await levels(track)
            async for _ in theirs:
                pass
            async with open_track("video", grey(100)) as another:
                await ends.alice.add_track(another)
                await until_level(await next_track(ends.bob), 100)
            assert ends.alice.end is None
    assert raised.value.code == "source_failed"
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("wrong", ["a string", None, AudioFrame(samples=10)])
@in_virtual_time
async def test_something_else_than_a_frame(wrong: object) -> None:
    async def frames() -> AsyncIterator[VideoFrame]:
        yield picture(0)
        yield wrong  # type: ignore[misc]

    with pytest.raises(MediaError) as raised:
        async with open_track("video", frames()) as track:
            with pytest.raises(MediaError):
                await levels(track)
    assert raised.value.code == "bad_frame"
    assert type(wrong).__name__ in str(raised.value)


@in_virtual_time
async def test_a_kind_that_there_is_not() -> None:
    with pytest.raises(MediaError) as raised:
        async with open_track("smell", few(1)):  # type: ignore[arg-type]
            pass
    assert raised.value.code == "wrong_kind"


@in_virtual_time
async def test_no_frames_at_all() -> None:
    async with open_track("video", few(0)) as track:
        assert await levels(track) == []


@in_virtual_time
async def test_frames_that_change_in_size_and_format_arrive_in_a_call() -> None:
    async def changing() -> AsyncIterator[VideoFrame]:
        while True:
            for size in ((160, 120), (320, 240), (201, 121), (64, 48)):
                for _ in range(FPS // 3):
                    yield picture(150, *size)
                    await trio.sleep(1 / FPS)
                grey8 = np.full((size[1], size[0]), 150, np.uint8)
                yield VideoFrame.from_ndarray(grey8, format="gray")
                await trio.sleep(1 / FPS)

    async with open_track("video", changing()) as track, open_both(receive=("video",)) as ends:
        await ends.alice.add_track(track)
        theirs = await anext(aiter(ends.bob.tracks))
        sizes: set[tuple[int, int]] = set()
        async for frame in theirs:
            assert isinstance(frame, VideoFrame)
            assert abs(level(frame) - 150) < 20
            sizes.add((frame.width, frame.height))
            if len(sizes) == 4:
                break
        assert sizes == {(160, 120), (320, 240), (200, 120), (64, 48)}


@in_virtual_time
async def test_pictures_and_sound_of_a_program_in_a_call() -> None:
    async with (
        open_track("video", grey(60)) as video,
        open_track("audio", tone()) as audio,
        open_both(receive=("audio", "video")) as ends,
    ):
        await ends.alice.add_track(video)
        await ends.alice.add_track(audio)
        found = {}
        async for track in ends.bob.tracks:
            found[track.kind] = track
            if len(found) == 2:
                break
        await until_level(found["video"], 60)
        await until_loud(found["audio"])
