"""Still pictures, films that are to be turned, and the microphone that the documents name."""

from __future__ import annotations

import gc
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import trio
from av import VideoFrame

from trio_rtc.rtc import open_media
from trio_rtc.rtc.backend.media.recording.shaping import TURNS, Upright
from trio_rtc.rtc.media.media import ALSA_CONFIG

from ...calls.both_sides import next_track, open_both
from .pictures import level, picture

FORMS = {"png": "rgb24", "jpg": "yuvj420p", "bmp": "bgr24", "tif": "rgb24", "webp": "yuv420p"}
ENCODERS = {"jpg": "mjpeg", "tif": "tiff", "webp": "libwebp"}


def make_still(path: Path, value: int = 160) -> Path:
    name = path.suffix[1:]
    with av.open(str(path), "w", options={"update": "1"}) as container:
        stream: Any = container.add_stream(ENCODERS.get(name, name), rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, FORMS[name]
        container.mux(stream.encode(picture(value, 64, 48).reformat(format=FORMS[name])))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", FORMS)
async def test_a_still_stays(name: str, tmp_path: Path) -> None:
    still = make_still(tmp_path / f"still.{name}")
    async with open_media(video=still, loop=True) as [track]:
        times = []
        async for frame in track:
            assert level(frame) == pytest.approx(160, abs=4)
            times.append(frame.time)
            if len(times) == 4:
                break
    assert times == pytest.approx([0, 0.2, 0.4, 0.6])


@pytest.mark.parametrize("name", ["png", "jpg"])
async def test_a_still_is_shown_once_without(name: str, tmp_path: Path) -> None:
    async with open_media(video=make_still(tmp_path / f"still.{name}")) as [track]:
        assert [round(level(frame), -1) async for frame in track] == [160]


async def test_a_still_is_seen_in_a_call_and_by_who_comes_later(tmp_path: Path) -> None:
    still = make_still(tmp_path / "still.jpg")
    with trio.fail_after(30):
        async with open_media(video=still, loop=True) as tracks:
            for _ in range(2):
                async with open_both(receive=("video",), tracks=tracks) as ends:
                    remote = await next_track(ends.bob)
                    assert level(await anext(aiter(remote))) == pytest.approx(160, abs=8)


def turned_film(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """White in one corner, at the top left, and a matrix for whoever shows it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        pixels = np.zeros((48, 64, 3), np.uint8)
        pixels[:24, :32] = 255
        for number in range(3):
            frame = VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    # ISO/IEC 14496-12, section 8.3.2: it is the 40th byte of a track header's content.
    start = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (part << 16 for part in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("matrix", TURNS)
async def test_a_film_is_upright(matrix: tuple[int, int, int, int], tmp_path: Path) -> None:
    film = turned_film(tmp_path / "film.mp4", matrix)
    async with open_media(video=film) as [track]:
        frames = [frame async for frame in track]
    assert len(frames) == 3
    assert [frame.time for frame in frames] == pytest.approx([0, 1 / 30, 2 / 30], abs=0.001)
    seen = frames[0]
    assert isinstance(seen, VideoFrame)
    a, b, c, d = matrix
    assert (seen.width, seen.height) == ((64, 48) if a else (48, 64))
    gray = seen.to_ndarray(format="gray")
    rows, columns = np.nonzero(gray > 128)
    middle = (columns.mean() - seen.width / 2, rows.mean() - seen.height / 2)
    # Where the matrix has the corner, which is to the left of the middle and above it.
    assert (middle[0] > 0, middle[1] > 0) == (-a - c > 0, -b - d > 0)


@pytest.mark.skipif(
    not ALSA_CONFIG.exists() and "CI" not in os.environ, reason="ALSA is not installed"
)
def test_a_microphone_opens() -> None:
    program = """
import trio, trio_rtc
async def main():
    async with trio_rtc.open_media(audio="null", format="alsa") as [track]:
        print((await anext(aiter(track))).sample_rate)
trio.run(main)
"""
    environment = {name: value for name, value in os.environ.items() if "ALSA" not in name}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("48000\n", "")


def test_frames_that_are_upright_are_no_garbage() -> None:
    upright = Upright()
    gc.collect()
    gc.disable()
    try:
        with av.open("testsrc2=size=64x48", format="lavfi") as container:
            for _, frame in zip(range(50), container.decode(video=0), strict=False):
                assert upright.apply(frame) is frame
        assert sum(isinstance(one, VideoFrame) for one in gc.get_objects()) < 5
    finally:
        gc.enable()
