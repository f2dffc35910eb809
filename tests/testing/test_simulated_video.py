"""Video through a simulated bottleneck: the encoder follows what the path carries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from fractions import Fraction
from itertools import count, pairwise
from typing import Any

import numpy as np
import trio
from av import VideoFrame

from trio_rtc.rtc import open_track
from trio_rtc.testing import Link, Network, connected_pair

from .simulated import run

FPS = 30
RATE = 600_000
WARM_UP, SECONDS = 4.0, 9.0


async def noise() -> AsyncIterator[VideoFrame]:
    """Pictures that take any bitrate that there is."""
    random = np.random.default_rng(1)
    for number in count():
        pixels = random.integers(100, 160, (120, 160, 3), np.uint8)
        frame = VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        yield frame


async def watch(network: Network) -> tuple[list[float], int]:
    """When Bob sees pictures of Alice, and how many bits he got after the warm-up."""
    alice = network.host("alice", link=Link(rate=RATE, queue=22_500, delay=0.025))
    network.host("bob")
    async with connected_pair(network, receive=["video"]) as (call, other):
        with alice:
            async with open_track("video", noise()) as track:
                await call.add_track(track)
                seen = await anext(aiter(other.tracks))
                began = trio.current_time()
                times: list[float] = []
                before = 0
                async for _ in seen.frames(1000):
                    times.append(trio.current_time() - began)
                    if times[-1] > WARM_UP and not before:
                        before = await received(other)
                    if times[-1] > SECONDS:
                        break
                return times, 8 * (await received(other) - before)


async def received(call: Any) -> int:
    [stats] = [t for t in (await call.stats()).tracks if t.direction == "received"]
    return int(stats.bytes)


def test_pictures_fill_a_bottleneck_and_do_not_stand_still() -> None:
    times, bits = run(watch)
    late = [time for time in times if time > WARM_UP]
    assert max(b - a for a, b in pairwise(late)) < 0.3
    assert bits > 0.75 * RATE * (late[-1] - late[0])
