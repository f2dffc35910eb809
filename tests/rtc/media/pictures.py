"""Frames to be made and looked at."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator
from fractions import Fraction

import numpy as np
import trio
from av import AudioFrame, VideoFrame

from trio_rtc.rtc import MediaTrack

FPS = 30


def picture(level: int, width: int = 160, height: int = 120) -> VideoFrame:
    """A picture that is grey all over."""
    return VideoFrame.from_ndarray(np.full((height, width, 3), level, np.uint8), format="rgb24")


def level(frame: object) -> float:
    """How bright a picture is, from 0 to 255."""
    assert isinstance(frame, VideoFrame)
    return float(frame.to_ndarray(format="gray").mean())


def loudness(frame: object) -> float:
    """How loud a piece of sound is: its largest sample."""
    assert isinstance(frame, AudioFrame)
    return float(np.abs(frame.to_ndarray().astype(np.int32)).max())


async def grey(value: int, width: int = 160, height: int = 120) -> AsyncIterator[VideoFrame]:
    """Grey for ever."""
    while True:
        yield picture(value, width, height)
        await trio.sleep(1 / FPS)


async def tone(samples: int = 960, rate: int = 48000) -> AsyncGenerator[AudioFrame, None]:
    """A tone of 440 Hz for ever."""
    position = 0
    while True:
        times = (np.arange(samples) + position) / rate
        wave = (10000 * np.sin(2 * math.pi * 440 * times)).astype(np.int16)
        frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        frame.pts, frame.time_base = position, Fraction(1, rate)
        position += samples
        yield frame
        await trio.sleep(samples / rate)


async def until_level(track: MediaTrack, wanted: float, tolerance: float = 12) -> VideoFrame:
    """Look at a track until it is as bright as that."""
    async for frame in track.frames(1):
        if abs(level(frame) - wanted) < tolerance:
            assert isinstance(frame, VideoFrame)
            return frame
    raise AssertionError(f"the track ended before it had a level of {wanted}")


async def until_loud(track: MediaTrack, *, loud: bool = True) -> None:
    """Listen to a track until there is sound, or none."""
    async for frame in track.frames(1):
        if (loudness(frame) > 1000) is loud:
            return
    raise AssertionError("the track ended before that")
