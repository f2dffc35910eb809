"""Sound through a simulated network: the codecs run inline, and a seed is the same sound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from fractions import Fraction
from itertools import count

import numpy as np
import trio
from av import AudioFrame

from trio_rtc.rtc import open_track
from trio_rtc.testing import Link, Network, connected_pair

from .simulated import run

RATE = 48_000


async def tone() -> AsyncIterator[AudioFrame]:
    """440 Hz without end, in pieces of 20 ms."""
    for number in count():
        times = (np.arange(960) + number * 960) / RATE
        wave = (10_000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
        frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, number * 960, Fraction(1, RATE)
        yield frame


async def hear(network: Network, pieces: int) -> tuple[float, np.ndarray]:
    """What Bob hears of Alice: how long that took him, and the samples of one channel."""
    link = Link(delay=0.03, jitter=0.01, loss=0.02)
    alice = network.host("alice", link=link)
    network.host("bob", link=link)
    async with connected_pair(network, receive=["audio"]) as (call, other):
        with alice:
            async with open_track("audio", tone()) as track:
                await call.add_track(track)
                heard = await anext(aiter(other.tracks))
                samples: list[np.ndarray] = []
                began = 0.0
                async for frame in heard.frames(1000):
                    began = began or trio.current_time()
                    assert isinstance(frame, AudioFrame)
                    channels = len(frame.layout.channels)
                    samples.append(frame.to_ndarray().reshape(-1, channels)[:, 0].copy())
                    if len(samples) == pieces:
                        break
                return trio.current_time() - began, np.concatenate(samples)


def test_a_tone_arrives_in_its_own_time() -> None:
    seconds, samples = run(lambda network: hear(network, 250))
    # Five seconds of sound take as long.
    assert len(samples) == 250 * 960
    assert 4.5 < seconds < 5.5
    spectrum = np.abs(np.fft.rfft(samples[RATE:].astype(float)))
    loudest = int(spectrum.argmax()) * RATE / len(samples[RATE:])
    assert abs(loudest - 440) < 2


def test_the_same_seed_is_the_same_sound() -> None:
    one, again, other = (
        run(lambda network: hear(network, 50), seed)[1].tobytes() for seed in (1, 1, 2)
    )
    assert one == again != other
