"""Sound and picture in sync in recordings, measured with flashes and beeps of one clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import trio
from av import AudioFrame, VideoFrame

from trio_rtc.rtc import Kind, MediaTrack, open_media, open_track, record_media

from ...calls.both_sides import next_track, open_both
from ..virtual import in_virtual_time
from .pictures import level, picture

SYNC = 0.04
"""Seconds by which they may differ: of lips and voice nobody notices less."""

BEAT = 0.5
"""Seconds between two flashes, and between two beeps."""

SIGNAL = 0.1
"""Seconds that each of them takes."""


def is_on(time: float) -> bool:
    return (time + 1e-6) % BEAT < SIGNAL


def flash(number: int) -> VideoFrame:
    """One of 30 a second."""
    frame = picture(235 if is_on(number / 30) else 20)
    frame.pts, frame.time_base = number, Fraction(1, 30)
    return frame


def beep(number: int) -> AudioFrame:
    """One of 50 a second."""
    times = number / 50 + np.arange(960) / 48000
    on = (times + 1e-6) % BEAT < SIGNAL
    wave = (on * 10000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
    frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = 48000
    frame.pts, frame.time_base = number * 960, Fraction(1, 48000)
    return frame


async def flashes(begin: float = 0.0) -> AsyncIterator[VideoFrame]:
    await trio.sleep(begin)
    for number in count(round(begin * 30)):
        yield flash(number)


async def beeps(begin: float = 0.0) -> AsyncIterator[AudioFrame]:
    await trio.sleep(begin)
    for number in count(round(begin * 50)):
        yield beep(number)


def seen(path: Path) -> list[float]:
    """When the picture in a file becomes bright."""
    with av.open(str(path)) as container:
        frames = [(frame.time or 0.0, level(frame) > 128) for frame in container.decode(video=0)]
    return [time for (_, before), (time, now) in pairwise(frames) if now > before]


def heard(path: Path) -> list[float]:
    """When the sound in a file becomes loud."""
    resampler = av.AudioResampler("s16", "mono", 48000)
    pieces, start = [], None
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            start = (frame.time or 0.0) if start is None else start
            pieces += [piece.to_ndarray().reshape(-1) for piece in resampler.resample(frame)]
    assert start is not None
    sound = np.abs(np.concatenate(pieces).astype(np.int32))
    loud = sound[: len(sound) // 48 * 48].reshape(-1, 48).max(1) > 1500
    # Loud after 50 ms without.
    quiet = np.convolve(loud, np.ones(50), "full")[: len(loud)]
    begins = [n for n in range(50, len(loud)) if loud[n] and not quiet[n - 1]]
    return [start + number / 1000 for number in begins]


def differences(path: Path) -> list[float]:
    """Of each flash from the beep that is next to it: above 0 if the sound is late."""
    flashes, beeps = seen(path), heard(path)
    pairs = [(flash, min(beeps, key=lambda beep: abs(beep - flash))) for flash in flashes]
    # One may have begun before the other.
    return [beep - flash for flash, beep in pairs if abs(beep - flash) < BEAT / 2]


async def record(paths: Sequence[Path], tracks: Sequence[MediaTrack]) -> None:
    """Record the same tracks to several files."""

    async def to_the_end(track: MediaTrack) -> None:
        async for _ in track:
            pass

    async with AsyncExitStack() as stack:
        for path in paths:
            recorder = await stack.enter_async_context(record_media(path))
            for track in tracks:
                await recorder.add_track(track)
        async with trio.open_nursery() as nursery:
            for track in tracks:
                nursery.start_soon(to_the_end, track)


def make_film(path: Path, seconds: int, picture_from: float, sound_from: float) -> Path:
    """Flashes and beeps, one of which may begin later."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        audio: Any = container.add_stream("aac", rate=48000, layout="mono")
        for number in range(round(picture_from * 30), 30 * seconds):
            container.mux(video.encode(flash(number)))
        for number in range(round(sound_from * 50), 50 * seconds):
            container.mux(audio.encode(beep(number)))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return path


STARTS = [(0.0, 0.0), (1.3, 0.0), (0.0, 1.3)]


async def at_once(record_one: Callable[[float, float], Awaitable[None]]) -> None:
    """Record with each of the starts, for what is recorded takes its time."""
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for starts in STARTS:
                nursery.start_soon(record_one, *starts)


async def test_a_recording_of_a_film(tmp_path: Path) -> None:
    found = {}

    async def record_one(picture_from: float, sound_from: float) -> None:
        name = f"{picture_from}-{sound_from}"
        film = make_film(tmp_path / f"{name}-film.mp4", 3, picture_from, sound_from)
        paths = [tmp_path / f"{name}.{format_}" for format_ in ("mp4", "webm")]
        async with open_media(video=film, audio=film) as tracks:
            await record(paths, tracks)
        found.update({path.name: differences(path) for path in paths})

    await at_once(record_one)
    assert len(found) == 6
    for name, apart in found.items():
        assert len(apart) >= 2, name
        assert max(map(abs, apart)) < SYNC, (name, apart)


@pytest.mark.parametrize(("picture_from", "sound_from"), STARTS)
def test_a_recording_of_a_call(picture_from: float, sound_from: float, tmp_path: Path) -> None:
    path = tmp_path / "call.mkv"

    @in_virtual_time
    async def record_it() -> None:
        async with (
            open_track("video", flashes(picture_from)) as pictures,
            open_track("audio", beeps(sound_from)) as sound,
            open_both(receive=("audio", "video"), tracks=[pictures, sound]) as ends,
            record_media(path) as recorder,
        ):
            for _ in range(2):
                await recorder.add_track(await next_track(ends.bob))
            await trio.sleep(5)

    record_it()
    apart = differences(path)
    assert len(apart) >= 5
    # Until both have sent a report, times are those of arrival.
    assert max(map(abs, apart[-3:])) < SYNC, apart


@pytest.mark.parametrize("kind", ["video", "audio"])
@in_virtual_time
async def test_reports_tell_when_frames_were_taken(kind: Kind) -> None:
    frames: Any = {"video": flashes, "audio": beeps}[kind]()
    async with open_track(kind, frames) as track, open_both(receive=(kind,)) as ends:
        sender = await ends.alice.add_track(track)
        await next_track(ends.bob)
        outgoing = sender._outgoing
        (ours,) = (
            found
            for found in ends.alice._connection._loop_connection._pc.getSenders()
            if found.track is outgoing
        )

        async def reported() -> bool:
            """Whether what would be reported now is of the time of a frame."""
            private: Any = ours
            return bool(private._RTCRtpSender__ntp_timestamp in taken)

        taken = set()
        found = 0
        for _ in range(400):
            taken.add(outgoing.taken)
            found += await sender._bridge.run(reported)
            await trio.sleep(0.002)
    # Of some frames neither is seen.
    assert found > 300
