"""How a file is played: in time, in sync, as far as it goes, and with nothing kept in vain."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import trio
from av import AudioFrame, VideoFrame
from av.packet import Packet

from trio_rtc.errors import MediaError
from trio_rtc.rtc import MediaTrack, open_media
from trio_rtc.rtc.backend.media import player
from trio_rtc.rtc.backend.media.player import Player, PlayerTrack
from trio_rtc.rtc.bridge.bridge import open_bridge

from ...calls.both_sides import next_track, open_both, open_chat, works
from ..test_media import make_film
from .pictures import FPS, picture


def inside(track: MediaTrack) -> PlayerTrack:
    inner = track._source._track
    assert isinstance(inner, PlayerTrack)
    return inner


async def test_what_is_not_wanted_is_not_read(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mkv", frames=10)
    async with open_media(audio=film) as [track]:
        assert [stream.type for stream in inside(track)._player._streams] == ["audio"]
        assert [frame async for frame in track]


async def test_a_machine_without_a_thread_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not begin is not waited for at the end, which would hide why."""

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    film = make_film(tmp_path / "film.mkv", frames=10)
    async with open_bridge() as bridge, open_media(audio=film) as [track]:

        async def start() -> None:
            inside(track)._player.start()

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            with pytest.raises(RuntimeError, match="can't start"):
                await bridge.run(start)


async def test_what_is_not_taken_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "KEPT_SECONDS", 0.2)
    monkeypatch.setattr(player, "LATE_SECONDS", 60)
    film = make_film(tmp_path / "film.mkv", frames=60)
    async with open_media(video=film, audio=film) as [video, audio]:
        assert [frame async for frame in audio]
        assert len(inside(video)._queue) <= 0.2 * FPS + 1


async def test_who_comes_late_is_in_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "LATE_SECONDS", 0)
    film = make_film(tmp_path / "film.mkv", frames=60)
    async with open_media(video=film, audio=film) as [video, audio]:
        async for frame in video:
            if (frame.time or 0) > 0.5:
                break
        heard = await anext(aiter(audio))
        assert (heard.time or 0) > 0.4


@pytest.mark.parametrize("wanted", [["video"], ["video", "audio"]])
async def test_over_and_over(tmp_path: Path, wanted: list[str]) -> None:
    film = make_film(tmp_path / "film.mkv", frames=10)
    length = 10 / FPS
    async with open_media(**dict.fromkeys(wanted, film), loop=True) as tracks:  # type: ignore[arg-type]
        frames = [[] for _ in tracks]  # type: list[list[float]]

        async def read(track: MediaTrack, times: list[float]) -> None:
            async for frame in track:
                times.append(frame.time or 0.0)
                if times[-1] > 3 * length + 0.01:
                    break

        async with trio.open_nursery() as nursery:
            for track, times in zip(tracks, frames, strict=True):
                nursery.start_soon(read, track, times)
    assert frames[0] == pytest.approx([number / FPS for number in range(32)], abs=0.01)
    for times in frames[1:]:
        assert times == sorted(set(times))
        # The sound of each turn begins with its pictures.
        starts = [after for before, after in pairwise(times) if after - before > 0.05]
        assert starts == pytest.approx([length, 2 * length, 3 * length], abs=0.03)


async def test_over_and_over_in_a_call(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mkv", frames=10)
    async with (
        open_media(video=film, loop=True) as tracks,
        open_both(receive=("video",), tracks=tracks) as ends,
    ):
        times = []
        async for frame in await next_track(ends.bob):
            times.append(frame.time or 0.0)
            if len(times) == 30:
                break
    assert len(times) == 30
    assert times == sorted(set(times))


async def test_what_cannot_begin_again(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mkv", frames=30).read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def feed() -> None:
        with pipe.open("wb") as device:
            device.write(film.replace(b"\x44\x89", b"\xec\x89"))  # Without the duration.

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, feed)
        with pytest.raises(MediaError, match="cannot begin again") as raised:
            async with open_media(video=pipe, format="matroska", loop=True):
                pass
    assert raised.value.code == "media_unreadable"


def encode(path: Path, frames: int, **options: str) -> Path:
    """Pictures whose encoder keeps some until the end, if it is let."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            frame = picture(number * 7 % 256, 64, 48)
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [("film.mp4", {"bf": "3"}), ("film.h264", {"bf": "0"})],
    ids=["pictures in another order", "no times"],
)
async def test_every_picture_comes(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    film = encode(tmp_path / name, 25, **options)
    async with open_media(video=film) as [track]:
        times = [frame.time or 0.0 async for frame in track]
    assert times == pytest.approx([number / FPS for number in range(25)], abs=0.001)


async def test_a_damaged_place(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.ts", frames=60)
    data = bytearray(film.read_bytes())
    middle = len(data) // 2
    for position in range(middle, middle + 2000, 7):
        data[position] ^= 0xFF
    film.write_bytes(data)
    async with open_media(video=film) as [track]:
        times = [frame.time or 0.0 async for frame in track]
    assert times[-1] > 1.5


async def test_a_source_that_cannot_be_read_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Player._packets

    def fail(self: Player) -> Iterator[Packet[Any]]:
        for number, packet in enumerate(read(self)):
            if number == 40:
                raise OSError(19, "No such device")
            yield packet

    monkeypatch.setattr(Player, "_packets", fail)
    film = make_film(tmp_path / "film.mkv", frames=60)
    gone_on = False
    with pytest.raises(MediaError, match=r"film\.mkv' has failed: No such device") as raised:
        async with (
            open_media(video=film) as [track],
            open_both(receive=("video",), tracks=[track]) as ends,
        ):
            theirs = await next_track(ends.bob)
            with pytest.raises(MediaError, match="No such device") as seen:
                async for _ in track:
                    pass
            async for _ in theirs:
                pass
            await works(*await open_chat(ends))
            gone_on = True
    assert gone_on
    assert seen.value.code == raised.value.code == "source_failed"


async def test_frames_have_the_form_that_is_sent(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mkv", frames=30)
    async with open_media(video=film, audio=film) as [video, audio], trio.open_nursery() as nursery:

        async def look() -> None:
            async for frame in video:
                assert isinstance(frame, VideoFrame)

        nursery.start_soon(look)
        async for frame in audio:
            assert isinstance(frame, AudioFrame)
            assert (frame.samples, frame.sample_rate, frame.format.name) == (960, 48000, "s16")
