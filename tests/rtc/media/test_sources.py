"""Sources that are none, or that go away, and files that cannot be written."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from av import VideoFrame

from tests.rtc.test_media import make_film
from trio_rtc.errors import MediaError
from trio_rtc.rtc import open_media, open_track, record_media

from ...calls.both_sides import next_track, open_both, open_chat, works
from .pictures import grey, until_level


async def test_a_film_that_is_cut_off_is_sent_as_far_as_it_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film = make_film(tmp_path / "film.mkv", frames=90)
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    async with (
        open_media(video=film) as [track],
        open_both(receive=("video",), tracks=[track]) as ends,
    ):
        theirs = await anext(aiter(ends.bob.tracks))
        frames = [frame async for frame in theirs]
        assert 0 < len(frames) < 60
        await works(*await open_chat(ends))
    assert "film.mkv ends after 1." in caplog.text
    assert "and not after 3.0 s" in caplog.text


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "media_unreadable"), (b"nothing of the kind" * 99, "media_unreadable")],
)
async def test_a_file_that_is_not_media(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(MediaError, match="film") as raised:
        async with open_media(video=tmp_path / "film.mp4"):
            pass
    assert raised.value.code == code


async def test_a_file_without_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as raised:
        async with open_media(video=tmp_path / "none.mp4"):
            pass
    assert raised.value.code == "media_not_found"
    with pytest.raises(MediaError, match="has no audio") as raised:
        async with open_media(audio="testsrc", format="lavfi"):
            pass
    assert raised.value.code == "media_no_stream"


async def test_a_device_that_is_not_there() -> None:
    with pytest.raises(MediaError, match="/dev/video77"):
        async with open_media(video="/dev/video77"):
            pass


async def test_a_device_that_vanishes(tmp_path: Path) -> None:
    """A pipe stands for it: it gives pictures, and then it is gone."""
    film = make_film(tmp_path / "film.mkv", frames=30).read_bytes()
    pipe = tmp_path / "device"
    os.mkfifo(pipe)

    def feed() -> None:
        with pipe.open("wb") as device:
            device.write(film[: len(film) * 3 // 4])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, feed)
        async with (
            open_media(video=pipe, format="matroska") as [track],
            open_both(receive=("video",), tracks=[track]) as ends,
        ):
            theirs = await anext(aiter(ends.bob.tracks))
            assert [frame async for frame in theirs]
            async with open_track("video", grey(90)) as another:
                await ends.alice.add_track(another)
                await until_level(await next_track(ends.bob), 90)


async def test_a_camera_on_the_network_that_goes_away() -> None:
    """A server that takes the connection of an RTSP client and ends it."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(MediaError) as raised:
            async with open_media(
                video=f"rtsp://127.0.0.1:{port}/camera", options={"rtsp_transport": "tcp"}
            ):
                pass
        nursery.cancel_scope.cancel()
    assert raised.value.code == "media_unreadable"


@pytest.mark.parametrize("place", ["/nowhere/at/all.mp4", "/dev/full", "/proc/x.mp4"])
async def test_a_place_that_cannot_be_written_to(place: str) -> None:
    taken = trio.Event()

    async def pictures() -> AsyncIterator[VideoFrame]:
        async for picture in grey(4):
            yield picture
        taken.set()

    with pytest.raises(MediaError, match=place) as raised, trio.fail_after(30):
        async with open_track("video", pictures()) as track, record_media(place) as recorder:
            await recorder.add_track(track)
            await taken.wait()
    assert raised.value.code == "media_unwritable"
