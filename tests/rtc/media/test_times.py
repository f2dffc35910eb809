"""The times of frames, which a program gives as it likes and a receiver wants to go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import trio
from av import AudioFrame, VideoFrame

from trio_rtc.errors import MediaError
from trio_rtc.rtc import open_track
from trio_rtc.rtc.backend.media.encodable import UniformSound, UniformTimes

from ...calls.both_sides import next_track, open_both
from ..virtual import in_virtual_time
from .pictures import FPS, loudness, picture

Time = tuple[int | None, Fraction | None]

TIMES: dict[str, Callable[[int], Time]] = {
    "back": lambda number: (-3000 * number, Fraction(1, 90000)),
    "the same": lambda _: (0, Fraction(1, 90000)),
    "over and over": lambda number: (number % 5, Fraction(1, FPS)),
    "without a unit": lambda number: (number, None),
    "none": lambda _: (None, None),
    "other units": lambda number: (number * (1 + number % 2), Fraction(1, FPS * (1 + number % 2))),
    "none now and then": lambda number: (number if number % 3 else None, Fraction(1, FPS)),
    "before the beginning": lambda number: (number - 1000, Fraction(1, FPS)),
}


def stamped(times: Sequence[Time]) -> list[float]:
    uniform, given = UniformTimes(), []
    for pts, unit in times:
        frame = VideoFrame(16, 16, "yuv420p")
        frame.pts = pts
        if unit is not None:
            frame.time_base = unit
        uniform.stamp(frame)
        assert frame.time_base == Fraction(1, 90000)
        given.append(frame.time or 0.0)
    return given


@pytest.mark.parametrize("name", TIMES)
def test_they_always_go_on(name: str) -> None:
    times = stamped([TIMES[name](number) for number in range(20)])
    steps = [after - before for before, after in pairwise(times)]
    assert all(0 < step < 0.1 for step in steps), times


def test_those_that_go_on_are_kept() -> None:
    given = [(7, 0.7), (8, 0.8), (90, 9.0), (91, 9.1)]
    assert stamped([(pts, Fraction(1, 10)) for pts, _ in given]) == [time for _, time in given]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@pytest.mark.parametrize("name", ["back", "the same", "over and over"])
@in_virtual_time
async def test_pictures_arrive_all_the_same(name: str, codec: str) -> None:
    async def frames() -> AsyncIterator[VideoFrame]:
        number = 0
        while True:
            frame = picture(200)
            frame.pts, unit = TIMES[name](number)
            assert unit is not None
            frame.time_base = unit
            number += 1
            yield frame
            await trio.sleep(1 / FPS)

    async with (
        open_track("video", frames()) as track,
        open_both(receive=("video",), codecs=(codec,)) as ends,
    ):
        await ends.alice.add_track(track)
        times = []
        async for frame in await next_track(ends.bob):
            times.append(frame.time or 0.0)
            if len(times) == 10:
                break
    assert times == sorted(set(times))
    assert len(times) == 10


@pytest.mark.parametrize("time", [(2**62, Fraction(1, 90000)), (-(2**62), Fraction(1, 1))], ids=str)
async def test_a_time_that_no_encoder_reaches(time: tuple[int, Fraction]) -> None:
    async def frames() -> AsyncIterator[VideoFrame]:
        frame = picture(200)
        frame.pts, frame.time_base = time
        yield frame

    with pytest.raises(MediaError, match=str(time[0])) as raised:
        async with open_track("video", frames()) as track:
            with pytest.raises(MediaError, match=str(time[0])):
                await anext(aiter(track))
    assert raised.value.code == "bad_frame"


def ramp(samples: int, rate: int, start: int) -> AudioFrame:
    """Samples that tell where they are."""
    wave = ((np.arange(samples) + start) % 30000).astype(np.int16)
    frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate
    frame.pts, frame.time_base = start, Fraction(1, rate)
    return frame


@pytest.mark.parametrize("samples", [100, 441, 959, 960, 961, 1024, 4096, 48000])
def test_sound_is_cut_into_pieces_of_20_ms(samples: int) -> None:
    sound, pieces = UniformSound(), []
    for start in range(0, 96000, samples):
        pieces += sound.convert(ramp(samples, 48000, start))
    assert {piece.samples for piece in pieces} == {960}
    assert [piece.pts for piece in pieces] == [960 * number for number in range(len(pieces))]
    heard = np.concatenate([piece.to_ndarray()[0] for piece in pieces])
    assert (heard == np.arange(len(heard)) % 30000).all()
    assert len(heard) > 96000 - 960


def test_sound_of_another_rate_is_in_pieces_of_20_ms() -> None:
    sound, pieces = UniformSound(), []
    for start in range(0, 88200, 882):
        pieces += sound.convert(ramp(882, 44100, start))
    assert {piece.samples for piece in pieces} == {960}
    assert 98 <= len(pieces) <= 100


@pytest.mark.parametrize("codec", ["opus", "PCMU"])
@pytest.mark.parametrize("samples", [100, 1024, 4096, 48000])
@in_virtual_time
async def test_sound_in_frames_of_any_length_arrives(samples: int, codec: str) -> None:
    async def frames() -> AsyncIterator[AudioFrame]:
        position = 0
        while True:
            times = (np.arange(samples) + position) / 48000
            wave = (10000 * np.sin(2 * np.pi * 500 * times)).astype(np.int16)
            frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate = 48000
            position += samples
            yield frame

    async with (
        open_track("audio", frames()) as track,
        open_both(receive=("audio",), codecs=(codec,)) as ends,
    ):
        await ends.alice.add_track(track)
        heard: list[AudioFrame] = []
        async for frame in await next_track(ends.bob):
            assert isinstance(frame, AudioFrame)
            heard.append(frame)
            if len(heard) == 60:
                break
    # Each goes on where the one before ended, and the tone goes through.
    steps = {round(50 * ((b.time or 0) - (a.time or 0)), 6) for a, b in pairwise(heard)}
    assert steps == {1.0}
    assert min(loudness(frame) for frame in heard[10:]) > 5000
