"""Pictures and sound of every form, one after the other, in a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import av
import numpy as np
import pytest
import trio
from av import AudioFrame, VideoFrame

from trio_rtc.errors import MediaError
from trio_rtc.rtc import open_track

from ...calls.both_sides import next_track, open_both, open_chat, works
from ..virtual import in_virtual_time
from .pictures import FPS, picture, tone, until_level, until_loud

CHANNELS = {"mono": 1, "stereo": 2, "5.1": 6}

Form = tuple[int, str, str]


def sound(rate: int, layout: str, sample_format: str = "s16", volume: int = 10000) -> AudioFrame:
    """20 ms of a tone of 500 Hz."""
    samples = rate // 50
    wave = volume * np.sin(2 * np.pi * 500 * np.arange(samples) / rate) / 32768
    frame = AudioFrame.from_ndarray(
        np.tile(wave.astype(np.float32), (CHANNELS[layout], 1)), format="fltp", layout=layout
    )
    frame.sample_rate = rate
    return av.AudioResampler(sample_format, layout, rate).resample(frame)[0]


FORMS: list[Form] = [
    (48000, "mono", "s16"), (48000, "stereo", "s16"), (44100, "mono", "s16"),
    (16000, "stereo", "flt"), (48000, "5.1", "s16"), (8000, "mono", "u8"),
    (96000, "stereo", "s32p"), (48000, "mono", "fltp"), (48000, "mono", "s16"),
]  # fmt: skip


async def play(forms: Sequence[Form], loud: trio.Event) -> AsyncIterator[AudioFrame]:
    """Each form for a while, softly; then the last one, loud."""
    for rate, layout, sample_format in forms:
        for _ in range(10):
            frame = sound(rate, layout, sample_format, 500)
            frame.pts = None
            yield frame
            await trio.sleep(0.02)
    loud.set()
    while True:
        frame = sound(*forms[-1])
        frame.pts = None
        yield frame
        await trio.sleep(0.02)


@pytest.mark.parametrize("codec", ["opus", "PCMU"])
@pytest.mark.parametrize("forms", [FORMS, *([form] for form in FORMS[1:-1])], ids=str)
@in_virtual_time
async def test_sound_that_changes_its_form(forms: list[Form], codec: str) -> None:
    loud = trio.Event()
    async with (
        open_track("audio", play(forms, loud)) as track,
        open_both(receive=("audio",), codecs=(codec,)) as ends,
    ):
        await ends.alice.add_track(track)
        theirs = await next_track(ends.bob)
        await loud.wait()
        await until_loud(theirs)


@in_virtual_time
async def test_times_of_sound_that_changes_its_rate() -> None:
    async def play_two() -> AsyncIterator[AudioFrame]:
        for rate in (48000, 16000, 44100):
            for _ in range(3):
                frame = sound(rate, "mono")
                frame.pts = None
                yield frame

    async with open_track("audio", play_two()) as track:
        times = [frame.time or 0.0 async for frame in track]
    assert times == pytest.approx([0.02 * number for number in range(9)])


@in_virtual_time
async def test_sound_of_one_form_takes_the_place_of_another() -> None:
    async with (
        open_track("audio", tone()) as mono,
        open_track("audio", play([(44100, "stereo", "s16")], trio.Event())) as stereo,
        open_both(receive=("audio",)) as ends,
    ):
        sender = await ends.alice.add_track(mono)
        theirs = await next_track(ends.bob)
        await until_loud(theirs)
        mono.enabled = False
        await until_loud(theirs, loud=False)
        await sender.replace_track(stereo)
        await until_loud(theirs)


async def show(*sizes: tuple[int, int], then: int) -> AsyncIterator[VideoFrame]:
    """Pictures of each size, and then of the first one with another brightness, for ever."""
    for width, height in sizes:
        for _ in range(FPS // 3):
            yield picture(100, width, height)
            await trio.sleep(1 / FPS)
    while True:
        yield picture(then, *sizes[0])
        await trio.sleep(1 / FPS)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@pytest.mark.parametrize("size", [(161, 121), (1, 1), (2, 2), (15, 480), (1281, 721)], ids=str)
@in_virtual_time
async def test_pictures_of_odd_sizes(size: tuple[int, int], codec: str) -> None:
    async with (
        open_track("video", show((160, 120), size, then=200)) as track,
        open_both(receive=("video",), codecs=(codec,)) as ends,
    ):
        await ends.alice.add_track(track)
        await until_level(await next_track(ends.bob), 200)


@pytest.mark.parametrize(
    "sample_format", ["yuv444p", "nv12", "gray", "gray10le", "rgb8", "yuva420p"]
)
@in_virtual_time
async def test_pictures_of_other_formats(sample_format: str) -> None:
    async def frames() -> AsyncIterator[VideoFrame]:
        while True:
            yield picture(200, 321, 241).reformat(format=sample_format)
            await trio.sleep(1 / FPS)

    async with open_track("video", frames()) as track, open_both(receive=("video",)) as ends:
        await ends.alice.add_track(track)
        await until_level(await next_track(ends.bob), 200)


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (VideoFrame(0, 0, "yuv420p"), "0x0"),
        (VideoFrame(16384, 2, "yuv420p"), "16384x2"),
        (VideoFrame(2, 16384, "yuv420p"), "2x16384"),
        (AudioFrame("s16", "mono", 960), "960 samples at 0 Hz"),
        (AudioFrame("s16", "mono", 0), "0 samples"),
    ],
)
@in_virtual_time
async def test_frames_that_nobody_can_send(frame: VideoFrame | AudioFrame, what: str) -> None:
    async def frames() -> AsyncIterator[VideoFrame | AudioFrame]:
        yield frame

    with pytest.raises(MediaError, match=what) as raised:
        async with (
            open_track("video" if isinstance(frame, VideoFrame) else "audio", frames()) as track,
            open_both(receive=("video", "audio")) as ends,
        ):
            await ends.alice.add_track(track)
            with pytest.raises(MediaError, match=what):
                await anext(aiter(track))
            await works(*await open_chat(ends))
    assert raised.value.code == "bad_frame"
