from __future__ import annotations

import threading
import wave
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import av
import pytest
import trio
from aiortc import MediaStreamTrack, VideoStreamTrack
from av import AudioFrame, VideoFrame

from trio_rtc.errors import MediaError
from trio_rtc.rtc import Kind, MediaTrack, Recorder, open_media, open_track, record_media
from trio_rtc.rtc.backend.media import tracks as loop_media
from trio_rtc.rtc.backend.media.player import Player
from trio_rtc.rtc.backend.media.recording.recording import Recording
from trio_rtc.rtc.backend.media.tracks import Data, Source
from trio_rtc.rtc.bridge.bridge import open_bridge
from trio_rtc.rtc.media import media as media_module
from trio_rtc.rtc.media import track as track_module
from trio_rtc.rtc.media.track import Frames, VideoTrack

from .bridge.stepping import cancelled_after_each_step
from .conftest import tasks_left, threads
from .pairs import negotiate, open_pair


def make_wav(path: Path, seconds: float = 0.2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(b"\x00\x10" * int(48000 * seconds))
    return path


def make_film(path: Path, frames: int = 8) -> Path:
    """A short film with sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=48000)
        for number in range(frames):
            picture = VideoFrame(64, 48, "yuv420p")
            for plane in picture.planes:
                plane.update(bytes([number * 20 % 256]) * plane.buffer_size)
            picture.pts = number
            container.mux(video.encode(picture))
            sound = AudioFrame(format="fltp", layout="mono", samples=1024)
            sound.planes[0].update(bytes(sound.planes[0].buffer_size))
            sound.sample_rate = 48000
            sound.pts = number * 1024
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


async def take(track: MediaTrack, count: int) -> list[VideoFrame | AudioFrame]:
    frames = aiter(track)
    return [await anext(frames) for _ in range(count)]


@pytest.mark.parametrize("kinds", [["video"], ["audio"], ["video", "audio"], []])
async def test_test_signals(kinds: list[Kind]) -> None:
    video = "pattern" if "video" in kinds else None
    audio = "tone" if "audio" in kinds else None
    with trio.fail_after(30):
        async with open_media(video=video, audio=audio) as tracks:
            assert [track.kind for track in tracks] == kinds
            for track in tracks:
                assert repr(track) == f"<MediaTrack {track.kind} {track.id}>"
                for frame in await take(track, 3):
                    if isinstance(frame, VideoFrame):
                        assert track.kind == "video"
                        assert (frame.width, frame.height) == (640, 480)
                    else:
                        assert track.kind == "audio"
                        assert frame.sample_rate == 48000
        assert threads() == []


async def test_frames_at_the_other_peer() -> None:
    with trio.fail_after(30):
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_pair() as (alice, bob),
        ):
            for track in tracks:
                await alice.connection.add_track(track)
            await negotiate(alice, bob)
            for _ in tracks:
                remote = await bob.tracks.receive()
                assert remote.id
                for frame in await take(remote, 3):
                    if remote.kind == "video":
                        assert isinstance(frame, VideoFrame)
                        assert (frame.width, frame.height) == (640, 480)
                    else:
                        assert isinstance(frame, AudioFrame)
                        assert frame.sample_rate == 48000


async def test_a_remote_track_ends_with_the_connection() -> None:
    with trio.fail_after(30):
        async with open_media(audio="tone") as (track,), open_pair() as (alice, bob):
            await alice.connection.add_track(track)
            await negotiate(alice, bob)
            remote = await bob.tracks.receive()
            frames = aiter(remote)
            await anext(frames)
            await alice.connection.aclose()
            async for _ in frames:
                pass
            assert [frame async for frame in remote] == []


async def test_two_read_one_track() -> None:
    async def read(name: str) -> None:
        frames = aiter(track)
        seen[name] = [(await anext(frames)).pts or 0]
        if len(seen) == 2:
            both.set()
        await both.wait()
        while len([pts for pts in seen[name] if pts >= max(seen["one"][0], seen["two"][0])]) < 5:
            seen[name].append((await anext(frames)).pts or 0)

    seen: dict[str, list[int]] = {}
    both = trio.Event()
    with trio.fail_after(30):
        async with open_media(video="pattern") as (track,), trio.open_nursery() as nursery:
            nursery.start_soon(read, "one")
            nursery.start_soon(read, "two")
    assert seen["one"][-5:] == seen["two"][-5:]


class Numbers(Source):
    """A source that a test feeds by hand."""

    def __init__(self) -> None:
        super().__init__(NoTrack())
        self.given = 0

    def start(self) -> None:
        pass

    async def give(self, count: int) -> None:
        for _ in range(count):
            frame = VideoFrame(16, 16, "yuv420p")
            frame.pts = self.given
            self.given += 1
            for reader in tuple(self._readers):
                reader.put(frame)

    async def end(self) -> None:
        self._end()


class NoTrack(MediaStreamTrack):
    kind = "video"

    async def recv(self) -> VideoFrame:
        raise AssertionError("read")


async def test_who_lags_loses_the_oldest_and_nobody_else_does() -> None:
    limit = track_module.QUEUE_FRAMES
    async with open_bridge() as bridge:

        async def make() -> Numbers:
            return Numbers()

        source = await bridge.run(make)
        track = VideoTrack(bridge, source)
        quick, slow = aiter(track), aiter(track)
        assert (quick.frames_received, quick.frames_dropped) == (0, 0)

        async def begin(frames: Frames) -> None:
            assert (await anext(frames)).pts == 0

        async with trio.open_nursery() as nursery:
            nursery.start_soon(begin, quick)
            nursery.start_soon(begin, slow)
            await trio.testing.wait_all_tasks_blocked()
            await bridge.run(source.give, 1)
        for number in range(1, limit + 11):
            await bridge.run(source.give, 1)
            assert (await anext(quick)).pts == number
        assert (quick.frames_received, quick.frames_dropped) == (limit + 11, 0)
        assert (slow.frames_received, slow.frames_dropped) == (limit + 11, 10)
        assert (await anext(slow)).pts == 11
        await bridge.run(source.end)
        # What is there is read up to the end.
        assert [frame.pts async for frame in slow] == list(range(12, limit + 11))
        assert [frame async for frame in quick] == []
        assert [frame async for frame in track] == []


async def test_one_track_over_two_connections() -> None:
    with trio.fail_after(30):
        async with (
            open_media(audio="tone") as (track,),
            open_pair() as (alice, bob),
            open_pair() as (carol, dave),
        ):
            for caller, callee in ((alice, bob), (carol, dave)):
                await caller.connection.add_track(track)
                await negotiate(caller, callee)
            for callee in (bob, dave):
                assert len(await take(await callee.tracks.receive(), 3)) == 3
            # One of them ends, the other goes on, and so do we.
            await alice.connection.aclose()
            assert len(await take(track, 3)) == 3
            assert carol.connection.connection_state == "connected"


async def test_a_remote_track_that_nobody_reads() -> None:
    # It is read nevertheless, for the queue of aiortc has no bound.
    reads = 0
    enough = threading.Event()

    async def count(source: Source) -> None:
        recv = source._track.recv

        async def count_and_recv() -> Data:
            nonlocal reads
            reads += 1
            if reads == 10:
                enough.set()
            return await recv()

        source._track.recv = count_and_recv  # type: ignore[method-assign]

    with trio.fail_after(30):
        async with open_media(audio="tone") as (track,), open_pair() as (alice, bob):
            await alice.connection.add_track(track)
            await negotiate(alice, bob)
            remote = await bob.tracks.receive()
            await remote._bridge.run(count, remote._source)
            await trio.to_thread.run_sync(enough.wait)


def streams(path: Path) -> dict[str, int]:
    """The kinds of media in a file, and how many frames each has."""
    found: dict[str, int] = {}
    for kind in ("video", "audio"):
        with av.open(str(path)) as container:
            for stream in container.streams:
                if stream.type == kind:
                    found[kind] = sum(1 for _ in container.decode(stream))
    return found


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("call.mp4", {"video", "audio"}), ("call.webm", {"video", "audio"}), ("call.wav", {"audio"})],
)
async def test_recording_a_remote_call(tmp_path: Path, name: str, kinds: set[str]) -> None:
    path = tmp_path / name
    with trio.fail_after(60):
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_pair() as (alice, bob),
        ):
            for track in tracks:
                await alice.connection.add_track(track)
            await negotiate(alice, bob)
            async with record_media(path) as recorder:
                remotes = [await bob.tracks.receive() for _ in tracks]
                for remote in remotes:
                    await recorder.add_track(remote)
                for remote in remotes:
                    await take(remote, 15)
                await wait_started(recorder)
                for remote in remotes:
                    await take(remote, 5)
    found = streams(path)
    assert set(found) == kinds
    assert all(count > 0 for count in found.values())


async def wait_started(recorder: Recorder) -> None:
    recording = recorder._recording
    assert isinstance(recording, Recording)
    await recorder._bridge.run(recording._until, lambda: recording._has_begun)


async def test_recording_a_local_track(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    with trio.fail_after(30):
        async with open_media(audio="tone") as (track,), record_media(path) as recorder:
            await recorder.add_track(track)
            await wait_started(recorder)
            await take(track, 10)
            with pytest.raises(MediaError) as caught:
                await recorder.add_track(track)
            assert (caught.value.code, caught.value.fault) == ("recording_full", "local")
    assert streams(path)["audio"] > 0


async def test_a_recording_is_finished_when_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    with trio.fail_after(30), trio.CancelScope() as scope:
        async with open_media(audio="tone") as (track,), record_media(path) as recorder:
            await recorder.add_track(track)
            await wait_started(recorder)
            await take(track, 10)
            scope.cancel()
            await trio.sleep_forever()
    assert streams(path)["audio"] > 0


@pytest.mark.parametrize("name", ["call.mp4", "call.webm", "call.wav"])
async def test_a_recording_of_nothing_leaves_no_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    async with record_media(path):
        pass
    assert not path.exists()
    async with open_track("audio", nothing()) as track, record_media(path) as recorder:
        await recorder.add_track(track)
    assert not path.exists()


async def nothing() -> AsyncIterator[AudioFrame]:
    await trio.sleep_forever()
    yield AudioFrame()


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


@pytest.mark.parametrize("name", ["missing/call.mp4", "call", "call.xyz", "call.txt", ""])
async def test_what_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError) as caught:
        async with record_media(tmp_path / name):
            raise AssertionError("opened")
    assert (caught.value.code, caught.value.fault) == ("media_unwritable", "local")
    assert is_empty(tmp_path)


async def test_a_file_that_exists_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "notes.xyz"
    path.write_text("notes")
    with pytest.raises(MediaError):
        async with record_media(path):
            raise AssertionError("opened")
    assert path.read_text() == "notes"


async def test_media_that_cannot_be_read(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("This is no media.")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    for path, code in (
        (tmp_path / "nowhere.mp4", "media_not_found"),
        (text, "media_unreadable"),
        (empty, "media_unreadable"),
        (tmp_path, "media_unreadable"),
        ("", "media_not_found"),
    ):
        with pytest.raises(MediaError) as caught:
            async with open_media(video=path):
                raise AssertionError("opened")
        assert caught.value.fault == "local"
        assert caught.value.code == code


async def test_media_without_the_stream(tmp_path: Path) -> None:
    path = make_wav(tmp_path / "tone.wav")
    for video, audio in ((path, None), (path, path), (path, "tone")):
        with pytest.raises(MediaError) as caught:
            async with open_media(video=video, audio=audio):
                raise AssertionError("opened")
        assert caught.value.code == "media_no_stream"
    # The one that is there has been stopped, though it was started.
    with pytest.raises(MediaError):
        async with open_media(video="pattern", audio=tmp_path / "nowhere.wav"):
            raise AssertionError("opened")


async def test_a_file_that_ends_ends_the_iteration(tmp_path: Path) -> None:
    with trio.fail_after(30):
        async with open_media(audio=make_wav(tmp_path / "tone.wav")) as (track,):
            frames = [frame async for frame in track]
            assert sum(f.samples for f in frames if isinstance(f, AudioFrame)) > 0
            assert [frame async for frame in track] == []


async def test_video_and_audio_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def count(name: str, kinds: Sequence[Kind], **options: Any) -> Player:
        opened.append(name)
        return Player(name, kinds, **options)

    async def read(track: MediaTrack) -> None:
        counts[track.kind] = len([frame async for frame in track])

    counts: dict[str, int] = {}
    monkeypatch.setattr(media_module, "Player", count)
    path = make_film(tmp_path / "film.mp4")
    with trio.fail_after(30):
        async with open_media(video=path, audio=path) as tracks, trio.open_nursery() as nursery:
            for track in tracks:
                nursery.start_soon(read, track)
    assert opened == [str(path)]
    assert counts["video"] == 8
    assert counts["audio"] > 0


async def test_a_source_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_media(video="pattern") as (track,):

        async def fail() -> None:
            raise OSError("the camera is unplugged")

        monkeypatch.setattr(track._source._track, "recv", fail)
        for _ in range(2):
            with pytest.raises(MediaError, match="unplugged") as caught:
                await take(track, 1)
            assert caught.value.code == "source_failed"
            assert isinstance(caught.value.__cause__, OSError)


async def test_a_track_outlives_nothing() -> None:
    async with open_media(audio="tone") as (track,):
        frames = aiter(track)
        await anext(frames)
    # What has come is still there, and then the end.
    async for _ in frames:
        pass
    assert [frame async for frame in track] == []


async def test_cancelled_at_every_step(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", 4)

    async def work() -> None:
        async with open_media(video=path, audio=path) as tracks:
            for track in tracks:
                await take(track, 2)

    async def after() -> None:
        assert not [thread for thread in threading.enumerate() if "media-player" in thread.name]
        assert await bridge.run(tasks_left) == []

    async with open_bridge() as bridge:
        assert await cancelled_after_each_step(work, after) > 5


async def test_a_recording_cancelled_at_every_step(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            open_media(audio="tone") as (track,),
            record_media(tmp_path / "tone.wav") as recorder,
        ):
            await recorder.add_track(track)
            await take(track, 2)

    async def after() -> None:
        assert not [thread for thread in threading.enumerate() if "media-player" in thread.name]
        assert await bridge.run(tasks_left) == []

    async with open_bridge() as bridge:
        assert await cancelled_after_each_step(work, after) > 5


async def test_few_pictures_wait_if_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_media, "MOST_PIXELS", 1000)

    async def fill(*sizes: int) -> list[int]:
        reader = Source(VideoStreamTrack()).subscribe(10)
        for size in sizes:
            reader.put(VideoFrame(size, size, "yuv420p"))
        waiting = []
        while (frame := reader.take()) is not None:
            assert isinstance(frame, VideoFrame)
            waiting.append(frame.width)
        assert reader.dropped == len(sizes) - len(waiting)
        return waiting

    async with open_bridge() as bridge:
        assert await bridge.run(fill, *[10] * 20) == [10] * 10
        assert await bridge.run(fill, *[16] * 20) == [16] * 3
        # Some in any case.
        assert await bridge.run(fill, *[100] * 20) == [100] * 2
        assert await bridge.run(fill, 100, 100, 100, *[10] * 5) == [100, 100, *[10] * 5]
