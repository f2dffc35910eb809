"""A camera on the network, which speaks RTSP."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import trio
from av import AudioFrame, VideoFrame

from trio_rtc.errors import MediaError
from trio_rtc.rtc import MediaTrack, open_media, open_track
from trio_rtc.rtc.media import media

from ...calls.both_sides import Ends, next_track, open_both, open_chat, works
from ...system_python import SYSTEM_PYTHON, lacks
from .films import make_film
from .pictures import FPS, grey, level, loudness, picture, until_level, until_loud

#: How bright the film is.
LEVEL = 140


pytestmark = pytest.mark.skipif(
    "CI" not in os.environ and lacks("import gi; gi.require_version('GstRtspServer', '1.0')"),
    reason="no RTSP server is installed (Debian: apt-get install python3-gi "
    "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good)",
)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("film") / "film.webm", 20)


def make(path: Path, seconds: int) -> Path:
    """A film of grey with a tone, as VP8 and Opus."""
    times = np.arange(960) / 48000
    wave = (10000 * np.sin(2 * np.pi * 500 * times)).astype(np.int16).reshape(1, -1)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx", rate=FPS, options={"g": "15"})
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        sound = container.add_stream("libopus", rate=48000, layout="mono")
        for number in range(seconds * 50):
            piece = AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            piece.sample_rate, piece.pts = 48000, number * 960
            container.mux(sound.encode(piece))
            if number * FPS % 50 < FPS:
                image = picture(LEVEL)
                image.pts = number * FPS // 50
                container.mux(video.encode(image))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


@asynccontextmanager
async def camera(film: Path, codec: str = "vp8") -> AsyncIterator[tuple[str, trio.Process]]:
    """A server that shows the film, whose pictures are encoded so; gives its URL."""
    process = await trio.lowlevel.open_process(
        [SYSTEM_PYTHON, str(Path(__file__).with_name("rtsp_server.py")), str(film), codec],
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        with trio.fail_after(30):
            port = int(await process.stdout.receive_some())
        yield f"rtsp://127.0.0.1:{port}/camera", process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_its_frames_are_there_for_a_program(film: Path, transport: str) -> None:
    async with (
        camera(film) as (url, _),
        open_media(video=url, audio=url, options={"rtsp_transport": transport}) as [video, audio],
    ):
        with trio.fail_after(30):
            frames = aiter(video)
            for _ in range(FPS):
                frame = await anext(frames)
                assert isinstance(frame, VideoFrame)
                assert (frame.width, frame.height) == (160, 120)
                assert abs(level(frame) - LEVEL) < 12
            heard = [loudness(await anext(aiter(audio))) for _ in range(10)]
            assert max(heard) > 1000


async def test_several_see_it_at_once(film: Path) -> None:
    async with (
        camera(film) as (url, _),
        open_media(video=url, options={"rtsp_transport": "tcp"}) as [first],
        open_media(video=url, options={"rtsp_transport": "tcp"}) as [second],
        trio.open_nursery() as nursery,
    ):
        for track in (first, first, second):
            nursery.start_soon(until_level, track, LEVEL)


async def test_something_that_the_camera_does_not_have(film: Path) -> None:
    async with camera(film) as (url, _):
        with pytest.raises(MediaError, match="nothing-here") as raised:
            async with open_media(video=url.replace("camera", "nothing-here")):
                pass
    assert raised.value.code == "media_unreadable"


@contextmanager
def errors_if(it_fails: bool) -> Iterator[list[str]]:
    """It is an error of the source that nothing comes from it, and none that it has an end."""
    seen: list[str] = []
    if not it_fails:
        yield seen
        return
    with pytest.raises(MediaError, match="nothing came for 3 s") as raised:
        yield seen
    assert raised.value.code == "source_failed"


def open_patiently(name: str, *, timeout: float, **options: Any) -> Any:
    """A source that may take its time to begin, and not in between."""
    return av.container.open(name, timeout=(60, timeout), **options)


async def see_it_end(theirs: MediaTrack, ends: Ends) -> None:
    """A track ends at the other side, and the call goes on."""
    async for _ in theirs:
        pass
    assert ends.alice.end is None
    await works(*await open_chat(ends))
    async with open_track("video", grey(60)) as another:
        await ends.alice.add_track(another)
        await until_level(await next_track(ends.bob), 60)


async def test_a_call_sees_and_hears_it(film: Path) -> None:
    async with (
        camera(film) as (url, _),
        open_media(video=url, audio=url, options={"rtsp_transport": "tcp"}) as tracks,
        open_both(receive=("audio", "video"), tracks=tracks) as ends,
    ):
        found: dict[str, MediaTrack] = {}
        async for track in ends.bob.tracks:
            found[track.kind] = track
            if len(found) == 2:
                break
        await until_level(found["video"], LEVEL)
        await until_loud(found["audio"])


@pytest.mark.parametrize(("codec", "encoder"), [("vp8", "libvpx"), ("h264", "libx264")])
async def test_a_call_sees_and_hears_it_as_it_is(codec: str, encoder: str, tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mkv", video=encoder, level=LEVEL)
    async with (
        camera(film, codec) as (url, _),
        open_media(video=url, audio=url, options={"rtsp_transport": "tcp"}, encoded=True) as tracks,
        open_both(receive=("audio", "video"), tracks=tracks) as ends,
    ):
        found = {(track := await anext(aiter(ends.bob.tracks))).kind: track for _ in range(2)}
        first = await anext(found["video"].packets())
        assert first.is_keyframe
        await until_level(found["video"], LEVEL)
        await until_loud(found["audio"])


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_it_goes_away_in_mid_film(
    film: Path, transport: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "READ_SECONDS", 3 if how == "frozen" else 60)
    monkeypatch.setattr(av, "open", open_patiently)
    with errors_if(how == "frozen") as seen:
        async with (
            camera(film) as (url, process),
            open_media(video=url, options={"rtsp_transport": transport}) as [track],
            open_both(receive=("video",), tracks=[track]) as ends,
        ):
            theirs = await next_track(ends.bob)
            await until_level(theirs, LEVEL)
            process.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
            with errors_if(how == "frozen"):
                async for _ in track:
                    pass
            await see_it_end(theirs, ends)
            seen.append("the call goes on")
    assert seen == ["the call goes on"]


async def test_the_film_is_over(tmp_path: Path) -> None:
    async with (
        camera(make(tmp_path / "short.webm", 2)) as (url, _),
        open_media(video=url, options={"rtsp_transport": "tcp"}) as [track],
        open_both(receive=("video",), tracks=[track]) as ends,
    ):
        theirs = await next_track(ends.bob)
        await until_level(theirs, LEVEL)
        async for _ in track:
            pass
        await see_it_end(theirs, ends)
