#!/usr/bin/env python3
"""What comes back from ``examples/video_filter.py``: pictures per second, and sound in step.

A caller sends 640x480 pixels 30 times a second, and sound. Once a second there are stripes and a
tone, for a quarter of it; told is by how much the tone comes back behind the stripes. The
example runs in a process of its own, and so does everything else.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import TypeVar

import numpy as np
import trio
from av import AudioFrame, VideoFrame
from measuring import HERE, Table, arguments

import trio_rtc

EXAMPLE = HERE.parent / "examples" / "video_filter.py"
FILTERS = ("negative", "mirror", "edges")
WIDTH, HEIGHT, FPS = 640, 480, 30
RATE, SAMPLES = 48_000, 960
WARM_UP_SECONDS = 3.0


def is_marked(seconds: float) -> bool:
    """Whether there are stripes and a tone at this time."""
    return seconds % 1 < 0.25


FrameT = TypeVar("FrameT", VideoFrame, AudioFrame)


async def paced(step: float, make: Callable[[float], FrameT]) -> AsyncIterator[FrameT]:
    """What is made for each step of time, when it is due."""
    start, number = trio.current_time(), 0
    while True:
        yield make(number * step)
        number += 1
        await trio.sleep_until(start + number * step)


STRIPES = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
STRIPES[:, (np.arange(WIDTH) // 16) % 2 == 1] = 255
TONE = (10_000 * np.sin(2 * np.pi * 500 * np.arange(SAMPLES) / RATE)).astype(np.int16)


def picture(seconds: float) -> VideoFrame:
    pixels = STRIPES if is_marked(seconds) else np.zeros_like(STRIPES)
    frame = VideoFrame.from_ndarray(pixels, format="rgb24")
    frame.pts, frame.time_base = round(seconds * 90_000), Fraction(1, 90_000)
    return frame


def sound(seconds: float) -> AudioFrame:
    samples = TONE if is_marked(seconds) else np.zeros_like(TONE)
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = RATE
    frame.pts, frame.time_base = round(seconds * RATE), Fraction(1, RATE)
    return frame


@dataclass
class Seen:
    """What has come back: how many pictures, and when each mark began."""

    pictures: int = 0
    stripes: list[float] = field(default_factory=list)
    tones: list[float] = field(default_factory=list)
    both: trio.Event = field(default_factory=trio.Event)

    def clear(self) -> None:
        self.pictures = 0
        self.stripes.clear()
        self.tones.clear()

    def delays(self) -> list[float]:
        """By how many seconds each tone came after the stripes it belongs to."""
        found = []
        for seen in self.stripes:
            nearest = min(self.tones, key=lambda heard: abs(heard - seen), default=seen + 9)
            if abs(nearest - seen) < 0.5:
                found.append(nearest - seen)
        return found

    async def watch(self, track: trio_rtc.MediaTrack) -> None:
        was_marked = True
        async for frame in track:
            if isinstance(frame, VideoFrame):
                self.pictures += 1
                value = float(frame.to_ndarray(format="gray")[::4, ::4].std())
                marked = value > 40
                marks = self.stripes
            else:
                value = float(np.abs(frame.to_ndarray().astype(np.int32)).max())
                marked = value > 2000
                marks = self.tones
            if marked and not was_marked:
                marks.append(trio.current_time())
            was_marked = marked
            if self.stripes and self.tones:
                self.both.set()


async def measure(url: str, seconds: float) -> tuple[float, list[float]]:
    """Pictures that come back in a second, and the delays of the sound behind them."""
    seen = Seen()
    async with (
        trio_rtc.open_track("video", paced(1 / FPS, picture)) as pictures,
        trio_rtc.open_track("audio", paced(SAMPLES / RATE, sound)) as sounds,
        trio_rtc.open_signaling(url, name="caller") as signaling,
        trio_rtc.open_call(signaling, "filter", tracks=[pictures, sounds]) as call,
        trio.open_nursery() as nursery,
    ):

        async def watch_all() -> None:
            async for track in call.tracks:
                nursery.start_soon(seen.watch, track)

        nursery.start_soon(watch_all)
        await seen.both.wait()
        await trio.sleep(WARM_UP_SECONDS)
        seen.clear()
        start = trio.current_time()
        await trio.sleep(seconds)
        rate, delays = seen.pictures / (trio.current_time() - start), seen.delays()
        nursery.cancel_scope.cancel()
    return rate, delays


async def turn(name: str, seconds: float) -> tuple[float, list[float]]:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio_rtc.serve_signaling, 0)
        url = f"ws://localhost:{listeners[0].socket.getsockname()[1]}"
        command = [sys.executable, str(EXAMPLE), "--server", url, "--filter", name]
        async with trio_rtc.open_signaling(url, name="waiting") as signaling:
            nursery.start_soon(partial(trio.run_process, command, stdout=subprocess.DEVNULL))
            with trio.fail_after(60):
                await signaling.wait_for_peer("filter")
                result = await measure(url, seconds)
        nursery.cancel_scope.cancel()
    return result


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="how long a turn is watched")
    options = parser.parse_args()
    table = Table("what comes back from 30 pictures a second and a sound")
    for _ in range(1 if options.quick else options.turns):
        for name in FILTERS[:1] if options.quick else FILTERS:
            rate, delays = trio.run(turn, name, 2 if options.quick else options.seconds)
            table.add("pictures a second", name, rate)
            for delay in delays:
                table.add("sound behind its picture, ms", name, 1000 * delay)
    table.print()
    table.write(options.json)


if __name__ == "__main__":
    main()
