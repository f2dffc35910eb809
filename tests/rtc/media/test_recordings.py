"""Recordings that are cut off, or of tracks that change."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from time import sleep
from typing import Any

import av
import numpy as np
import pytest
import trio
from av import AudioFrame, VideoFrame

from trio_rtc.errors import MediaError
from trio_rtc.rtc import open_media, open_track, record_media
from trio_rtc.rtc.backend.media.recording import intake, recording
from trio_rtc.rtc.backend.media.recording.formats import Encoding
from trio_rtc.rtc.backend.media.recording.recorded import Pictures
from trio_rtc.rtc.backend.media.recording.writing import Writer

from ...calls.both_sides import next_track, open_both, open_chat, works
from ..test_media import streams, wait_started
from ..virtual import in_virtual_time
from .pictures import grey, picture, tone
from .test_forms import FORMS, play, show

FORMATS = [("mp4", {"video", "audio"}), ("webm", {"video", "audio"}), ("wav", {"audio"})]


@pytest.mark.parametrize(("name", "kinds"), FORMATS)
def test_a_recording_of_a_call_is_finished_when_cancelled(
    tmp_path: Path, name: str, kinds: set[str]
) -> None:
    path = tmp_path / f"call.{name}"

    @in_virtual_time
    async def record() -> None:
        with trio.fail_after(100), trio.CancelScope() as scope:
            async with (
                open_track("video", grey(90)) as pictures,
                open_track("audio", tone()) as sound,
                open_both(receive=("audio", "video"), tracks=[pictures, sound]) as ends,
                record_media(path) as recorder,
            ):
                remotes = [await next_track(ends.bob) for _ in range(2)]
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

    record()
    found = streams(path)
    assert set(found) == kinds
    assert all(count > 10 for count in found.values())


@pytest.mark.parametrize(("name", "kinds"), FORMATS)
def test_a_recording_of_what_changes(tmp_path: Path, name: str, kinds: set[str]) -> None:
    path = tmp_path / f"call.{name}"
    changed = trio.Event()

    @in_virtual_time
    async def record() -> None:
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

    record()
    found = streams(path)
    assert set(found) == kinds
    # Ten of each size, and those at the end.
    assert found.get("video", 100) > 30
    # 200 ms of each form, and as much at the end.
    assert seconds_of_sound(path) > 0.2 * len(FORMS)


def seconds_of_sound(path: Path) -> float:
    with av.open(str(path)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


async def leaping() -> AsyncIterator[VideoFrame]:
    """Two seconds of pictures, whose clock goes back, leaps by an hour, and begins again."""
    for number in range(60):
        leap = [0, -170_000, 324_000_000, -135_000][number // 15]
        frame = picture(4 * number)
        frame.pts, frame.time_base = number * 3000 + leap, Fraction(1, 90000)
        yield frame
        await trio.sleep(1 / 30)


@in_virtual_time
async def record_pictures(pictures: AsyncIterator[VideoFrame], path: Path) -> None:
    """Record all of them."""
    async with open_track("video", pictures) as track, record_media(path) as recorder:
        await recorder.add_track(track)
        async for _ in track:
            pass


@pytest.mark.parametrize("name", ["mp4", "webm"])
def test_a_recording_takes_no_leap(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"leap.{name}"

    record_pictures(leaping(), path)
    seen = times(path)
    assert len(seen) > 30
    assert 1.5 < seen[-1] < 10
    assert max(after - before for before, after in pairwise(seen)) < 1.2


def test_pictures_that_come_close() -> None:
    pictures = Pictures(picture(0), Encoding("video", "libx264", "yuv420p"))
    odd = [0, 1, 2, 3, 40, 41, 42, 90, 20, 60, 91, 200, 202, 201]
    numbers = [found.pts for time in odd for found in pictures.convert(picture(9), time / 300)]
    assert numbers == [0, 1, 4, 5, 9, 10, 20, 21]


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
    write = Writer.write

    def write_and_tell(self: Writer, stream: Any, frames: Any) -> None:
        threads.add(threading.get_ident())
        write(self, stream, frames)

    monkeypatch.setattr(Writer, "write", write_and_tell)
    async with open_media(video="pattern") as [track], record_media(tmp_path / "a.mp4") as recorder:
        await recorder.add_track(track)
        await wait_started(recorder)
        loop = await recorder._bridge.run(ident)
    assert threads
    assert threads.isdisjoint({threading.get_ident(), loop})


async def ident() -> int:
    return threading.get_ident()


def times(path: Path, kind: str = "video") -> list[float]:
    with av.open(str(path)) as container:
        (stream,) = (stream for stream in container.streams if stream.type == kind)
        frames: Any = container.decode(stream)
        return [frame.time or 0.0 for frame in frames]


async def test_an_encoder_that_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It leaves out pictures evenly, tells how many, and all else is there to the end."""
    monkeypatch.setattr(intake, "PICTURES", 8)
    write = Writer.write

    def write_slowly(self: Writer, stream: Any, frames: Any) -> None:
        if stream.type == "video":
            # It takes as long as five pictures, however long these take.
            inner = recorder._recording
            assert isinstance(inner, recording.Recording)
            (pictures,) = (one for one in inner._intakes if one.kind == "video")
            enough = pictures.received + 5
            while pictures.received < enough and not inner._is_over:
                sleep(0.001)
        write(self, stream, frames)

    monkeypatch.setattr(Writer, "write", write_slowly)
    path = tmp_path / "call.mp4"
    with trio.fail_after(60):
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            record_media(path) as recorder,
        ):
            for track in tracks:
                await recorder.add_track(track)
            frames = tracks[0].frames()
            for _ in range(75):
                await anext(frames)
    assert recorder.frames_dropped > 15
    seen = times(path)
    assert max(after - before for before, after in pairwise(seen)) < 1
    # 75 pictures are 2.5 s.
    assert 2 < seen[-1] < 3.5
    assert seconds_of_sound(path) > 2
    (at_once, at_the_end) = (record.getMessage() for record in caplog.records)
    assert "does not keep up" in at_once
    assert f"has left out {recorder.frames_dropped} of " in at_the_end


async def test_large_pictures_do_not_wait_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "PICTURES", 8)
    monkeypatch.setattr(recording, "START_SECONDS", 1e9)
    with trio.fail_after(30):
        async with (
            open_track("video", grey(90)) as track,
            record_media(tmp_path / "call.mkv") as recorder,
        ):
            await recorder.add_track(track)
            await wait_started(recorder)
    assert recorder.frames_dropped == 0


async def test_an_encoder_that_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The end does not wait for ever, and says what was not written."""
    monkeypatch.setattr(recording, "END_SECONDS", 0.1)
    monkeypatch.setattr(recording, "START_SECONDS", 0.1)
    goes_on = threading.Event()
    write, clear = Writer.write, intake.Intake.clear

    def wait_and_write(self: Writer, stream: Any, frames: Any) -> None:
        goes_on.wait(30)
        write(self, stream, frames)

    def clear_and_go_on(self: intake.Intake) -> None:
        clear(self)
        goes_on.set()

    monkeypatch.setattr(Writer, "write", wait_and_write)
    monkeypatch.setattr(intake.Intake, "clear", clear_and_go_on)
    path = tmp_path / "call.mp4"
    with trio.fail_after(60):
        async with open_media(video="pattern") as [track], record_media(path) as recorder:
            await recorder.add_track(track)
            await wait_started(recorder)
            frames = track.frames()
            for _ in range(20):
                await anext(frames)
    assert recorder.frames_dropped > 10
    assert streams(path)["video"] > 0
    assert f"has left out {recorder.frames_dropped} of " in caplog.text


@pytest.mark.parametrize("name", ["mp4", "webm", "mkv", "ts", "mov"])
def test_tracks_that_come_late_join(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "START_SECONDS", 0.1)
    path = tmp_path / f"call.{name}"
    added = []

    @in_virtual_time
    async def record() -> None:
        with trio.fail_after(60):
            async with (
                open_track("audio", tone()) as sound,
                open_track("video", grey(90, 320, 240)) as pictures,
                open_track("audio", tone()) as other,
                record_media(path) as recorder,
            ):
                frames = sound.frames()
                for track in (sound, pictures, other):
                    await recorder.add_track(track)
                    added.append(trio.current_time())
                    await wait_started(recorder)
                    for _ in range(30):
                        await anext(frames)

    record()
    starts: dict[int, float] = {}
    with av.open(str(path)) as container:
        assert sorted(stream.type for stream in container.streams) == ["audio", "audio", "video"]
        for packet in container.demux():
            if packet.pts is not None:
                starts.setdefault(packet.stream.index, float(packet.pts * packet.time_base))
    begun = sorted(start - min(starts.values()) for start in starts.values())
    expected = [time - added[0] for time in added]
    assert begun == [pytest.approx(time, abs=0.3) for time in expected]
    assert files(tmp_path) == [path]
    assert streams(path)["video"] > 10


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def test_late_tracks_that_cannot_join_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(files: object, target: Path) -> None:
        raise ValueError("they do not fit")

    monkeypatch.setattr(recording, "START_SECONDS", 0.1)
    monkeypatch.setattr(recording, "merge", fail)
    path = tmp_path / "call.mp4"
    with pytest.raises(MediaError, match="they do not fit"):
        async with (
            open_track("audio", tone()) as sound,
            open_track("video", grey(90)) as pictures,
            record_media(path) as recorder,
        ):
            await recorder.add_track(sound)
            await wait_started(recorder)
            await recorder.add_track(pictures)
            frames = pictures.frames()
            for _ in range(20):
                await anext(frames)
    late = tmp_path / "call-late-1.mp4"
    assert files(tmp_path) == [late, path]
    assert set(streams(path)) == {"audio"}
    assert set(streams(late)) == {"video"}


async def test_what_cannot_be_encoded_takes_nothing_else_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Writer.write

    def fail(self: Writer, stream: Any, frames: Any) -> None:
        if stream.type == "video":
            raise ValueError("the encoder has gone")
        write(self, stream, frames)

    monkeypatch.setattr(Writer, "write", fail)
    path = tmp_path / "call.mp4"
    with pytest.raises(MediaError, match="the encoder has gone") as caught:
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            record_media(path) as recorder,
        ):
            for track in tracks:
                await recorder.add_track(track)
            frames = tracks[1].frames()
            for _ in range(30):
                await anext(frames)
    assert caught.value.code == "media_unwritable"
    assert seconds_of_sound(path) > 0.4


async def halting(seconds: float) -> AsyncIterator[AudioFrame]:
    """Half a second of a tone, a pause, and as much again, at their times."""
    async with aclosing(tone()) as sound:
        for number in range(50):
            frame = await anext(sound)
            if number == 25:
                await trio.sleep(seconds)
            if number >= 25:
                assert frame.pts is not None
                frame.pts += round(48000 * seconds)
            yield frame


@pytest.mark.parametrize("name", ["wav", "mp3", "flac", "ogg", "mp4", "webm"])
def test_a_pause_is_silence(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"call.{name}"

    @in_virtual_time
    async def record() -> None:
        async with open_track("audio", halting(0.6)) as track, record_media(path) as recorder:
            await recorder.add_track(track)
            async for _ in track:
                pass

    record()
    resampler = av.AudioResampler("s16", "mono", 48000)
    with av.open(str(path)) as container:
        pieces = [
            piece.to_ndarray().reshape(-1)
            for frame in container.decode(audio=0)
            for piece in resampler.resample(frame)
        ]
    sound = np.abs(np.concatenate(pieces).astype(np.int32))
    loud = sound[: len(sound) // 480 * 480].reshape(-1, 480).max(1) > 1000
    assert len(loud) == pytest.approx(160, abs=15)
    # 60 pieces of 10 ms, and what an encoder makes of their ends.
    assert np.count_nonzero(~loud[20:-20]) == pytest.approx(60, abs=6)


async def turned() -> AsyncIterator[VideoFrame]:
    """A disc, by a phone that is turned."""
    for width, height in ((320, 180), (180, 320)):
        for _ in range(10):
            y, x = np.ogrid[:height, :width]
            disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < 60**2
            pixels = np.repeat(np.where(disc, 235, 90)[..., None], 3, 2).astype(np.uint8)
            yield VideoFrame.from_ndarray(pixels, format="rgb24")
            await trio.sleep(1 / 30)


def test_a_picture_that_is_turned_keeps_its_proportions(tmp_path: Path) -> None:
    path = tmp_path / "call.mkv"

    record_pictures(turned(), path)
    with av.open(str(path)) as container:
        last = list(container.decode(video=0))[-1].to_ndarray(format="gray")
    assert last.shape == (180, 320)
    # 180x320 is 101x180 here, in the middle.
    assert last[:, :104].mean() < 25 > last[:, 216:].mean()
    assert last[90, 115] > 70 < last[90, 200]
    disc = last > 180
    wide, high = disc.any(0).sum(), disc.any(1).sum()
    assert wide == pytest.approx(high, abs=3)
    assert wide == pytest.approx(120 * 180 / 320, abs=3)


async def slide() -> AsyncIterator[VideoFrame]:
    yield picture(200)
    await trio.sleep_forever()


def test_the_last_picture_is_seen_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"

    @in_virtual_time
    async def record() -> None:
        async with (
            open_track("video", slide()) as slides,
            open_track("audio", tone()) as sound,
            record_media(path) as recorder,
        ):
            await recorder.add_track(slides)
            await recorder.add_track(sound)
            frames = sound.frames()
            for _ in range(60):
                await anext(frames)

    record()
    assert times(path)[-1] == pytest.approx(times(path, "audio")[-1], abs=0.3)


async def test_a_name_with_a_number_is_another_file_each_time(tmp_path: Path) -> None:
    pattern = tmp_path / "call-{n}.wav"
    (tmp_path / "call-2.wav").touch()
    async with (
        open_media(audio="tone") as [track],
        record_media(pattern) as first,
        record_media(pattern) as second,
    ):
        assert (first.path.name, second.path.name) == ("call-1.wav", "call-3.wav")
        await first.add_track(track)
        await second.add_track(track)
        frames = track.frames()
        for _ in range(5):
            await anext(frames)
    assert all(streams(recorder.path)["audio"] > 0 for recorder in (first, second))
    # One that recorded nothing leaves its number to the next.
    async with record_media(pattern) as third:
        assert third.path.name == "call-4.wav"
    assert third.path not in files(tmp_path)


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
