"""Recordings that are cut off, or of tracks that change."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from time import sleep
from typing import Any

import av
import pytest
import trio
from av import VideoFrame

from trio_rtc.errors import MediaError
from trio_rtc.rtc import open_media, open_track, record_media
from trio_rtc.rtc.loop import recording
from trio_rtc.rtc.loop.writing import Writer

from ..calls.both_sides import next_track, open_both, open_chat, works
from ..rtc.test_media import streams, wait_started
from .pictures import picture
from .test_forms import FORMS, play, show

FORMATS = [("mp4", {"video", "audio"}), ("webm", {"video", "audio"}), ("wav", {"audio"})]


@pytest.mark.parametrize(("name", "kinds"), FORMATS)
async def test_a_recording_of_a_call_is_finished_when_cancelled(
    tmp_path: Path, name: str, kinds: set[str]
) -> None:
    path = tmp_path / f"call.{name}"
    with trio.fail_after(30), trio.CancelScope() as scope:
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_both(receive=("audio", "video"), tracks=tracks) as ends,
            record_media(path) as recorder,
        ):
            remotes = [await next_track(ends.bob) for _ in tracks]
            for remote in remotes:
                await recorder.add_track(remote)
            await wait_started(recorder)
            for remote in remotes:
                frames = remote.frames(1)
                for _ in range(20):
                    await anext(frames)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    found = streams(path)
    assert set(found) == kinds
    assert all(count > 10 for count in found.values())


@pytest.mark.parametrize(("name", "kinds"), FORMATS)
async def test_a_recording_of_what_changes(tmp_path: Path, name: str, kinds: set[str]) -> None:
    path = tmp_path / f"call.{name}"
    changed = trio.Event()
    async with (
        open_track("audio", play(FORMS, changed)) as sound,
        open_track("video", show((161, 121), (320, 240), (64, 49), then=200)) as pictures,
        record_media(path) as recorder,
    ):
        await recorder.add_track(sound)
        await recorder.add_track(pictures)
        await wait_started(recorder)
        await changed.wait()
        for track in (sound, pictures):
            frames = track.frames(1)
            for _ in range(20):
                await anext(frames)
    found = streams(path)
    assert set(found) == kinds
    # Ten of each size, and those at the end.
    assert found.get("video", 100) > 30
    # 200 ms of each form, and as much at the end.
    assert seconds_of_sound(path) > 0.2 * len(FORMS)


def seconds_of_sound(path: Path) -> float:
    with av.open(str(path)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


async def burst() -> AsyncIterator[VideoFrame]:
    """Some pictures at once, some late, and the times of some go back, in the end to nothing."""
    for number, time in enumerate(
        [0, 1, 2, 3, 40, 41, 42, 90, 20, 60, 91, 200, 202, 201, 900, 0, 10, 20]
    ):
        frame = picture(10 * number, 1, 1)
        frame.pts, frame.time_base = time, Fraction(1, 300)
        yield frame


@pytest.mark.parametrize("name", ["mp4", "webm"])
async def test_a_recording_of_pictures_that_come_at_odd_times(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"burst.{name}"
    async with open_track("video", burst()) as track, record_media(path) as recorder:
        await recorder.add_track(track)
        async for _ in track:
            pass
    with av.open(str(path)) as container:
        times = [round(30 * (frame.time or 0.0)) for frame in container.decode(video=0)]
    assert times == [0, 1, 4, 5, 9, 10, 20, 21, 90, 91, 92, 93]


@pytest.mark.parametrize("name", ["call.mp4", "call.webm", "call.wav"])
async def test_a_recording_that_is_short(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    async with open_media(audio="tone") as [track], record_media(path) as recorder:
        await recorder.add_track(track)
        frames = track.frames()
        for _ in range(5):
            await anext(frames)
    assert streams(path)["audio"] > 0


async def test_encoding_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    write = Writer._write

    def write_and_tell(self: Writer, stream: Any, frame: Any) -> None:
        threads.add(threading.get_ident())
        write(self, stream, frame)

    monkeypatch.setattr(Writer, "_write", write_and_tell)
    async with open_media(video="pattern") as [track], record_media(tmp_path / "a.mp4") as recorder:
        await recorder.add_track(track)
        await wait_started(recorder)
        loop = await recorder._bridge.run(ident)
    assert threads
    assert threads.isdisjoint({threading.get_ident(), loop})


async def ident() -> int:
    return threading.get_ident()


async def test_an_encoder_that_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end waits for what is being written, and not for what still comes."""
    monkeypatch.setattr(recording, "WRITE_SECONDS", 0.1)
    write = Writer._write

    def write_slowly(self: Writer, stream: Any, frame: Any) -> None:
        if frame is not None:
            sleep(0.2)
        write(self, stream, frame)

    monkeypatch.setattr(Writer, "_write", write_slowly)
    path = tmp_path / "call.mp4"
    with trio.fail_after(60):
        async with open_media(video="pattern") as [track], record_media(path) as recorder:
            await recorder.add_track(track)
            await wait_started(recorder)
            frames = track.frames()
            for _ in range(30):
                await anext(frames)
    assert 0 < streams(path)["video"] < 30


async def test_a_disk_that_is_full(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.symlink_to("/dev/full")
    gone_on = False
    with pytest.raises(MediaError, match="No space left") as raised:
        async with (
            open_media(audio="tone") as tracks,
            open_both(receive=("audio",), tracks=tracks) as ends,
            record_media(path) as recorder,
        ):
            await recorder.add_track(await next_track(ends.bob))
            await wait_started(recorder)
            await works(*await open_chat(ends))
            gone_on = True
    assert gone_on
    assert raised.value.code == "media_unwritable"
