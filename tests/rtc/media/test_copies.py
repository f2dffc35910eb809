"""Frames that are copied: the same in all but their time."""

from __future__ import annotations

import numpy as np
import pytest
from av import AudioFrame, VideoFrame

from trio_rtc.rtc.backend.media.tracks import blank, copy_of


@pytest.mark.parametrize("size", [(16, 16), (640, 480), (161, 121), (1920, 1080), (2, 2)])
def test_pictures(size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    copy = copy_of(frame)
    assert copy is not frame
    assert isinstance(copy, VideoFrame)
    before = frame.to_ndarray(format="rgb24")
    assert (copy.to_ndarray(format="rgb24") == before).all()
    other = copy_of(VideoFrame.from_ndarray(pixels, format="rgb24"))
    assert isinstance(other, VideoFrame)
    assert other.format.name == "rgb24"
    assert (other.to_ndarray() == pixels).all()


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_sound(layout: str) -> None:
    channels = {"mono": 1, "stereo": 2}[layout]
    samples = np.arange(960 * channels, dtype=np.int16).reshape(1, -1)
    frame = AudioFrame.from_ndarray(samples, format="s16", layout=layout)
    frame.sample_rate = 48000
    copy = copy_of(frame)
    assert isinstance(copy, AudioFrame)
    assert copy is not frame
    assert copy.sample_rate == 48000
    assert (copy.to_ndarray() == samples).all()
    silence = blank(frame)
    assert isinstance(silence, AudioFrame)
    assert not silence.to_ndarray().any()
    assert silence.samples == 960


@pytest.mark.parametrize(("sample_format", "middle"), [("u8", 128), ("u8p", 128), ("flt", 0)])
def test_silence_in_other_formats(sample_format: str, middle: int) -> None:
    frame = AudioFrame(sample_format, "mono", 960)
    frame.sample_rate = 48000
    silence = blank(frame)
    assert isinstance(silence, AudioFrame)
    assert (silence.to_ndarray() == middle).all()
