"""A voice in simulated time, said by a clock that is quicker or slower than the ear's."""

from __future__ import annotations

import statistics

import numpy as np
import trio
from trio.testing import MockClock

from trio_rtc import Voice, open_voice
from trio_rtc.rtc.backend.media import voice_playout
from trio_rtc.testing import Link, Network, connected_pair

RATE = 16_000
MARK = (12_000 * np.sin(2 * np.pi * 1000 * np.arange(RATE // 10) / RATE)).astype(np.int16).tobytes()
EVERY = 5.0
LOUD = 1000


def drift(parts: float, minutes: float) -> dict[str, float]:
    """How late marks come at the end beside those at the beginning.

    Args:
        parts: by which part the clock of the mouth is quicker; that of the ear is the clock.
        minutes: of simulated time.
    """
    real = voice_playout.FRAME_SECONDS
    voice_playout.FRAME_SECONDS = real / (1 + parts)  # type: ignore[misc]
    try:
        delays = trio.run(_delays, minutes * 60, clock=MockClock(autojump_threshold=0))
    finally:
        voice_playout.FRAME_SECONDS = real  # type: ignore[misc]
    few = max(len(delays) // 20, 1)
    first, last = delays[1 : few + 1], delays[-few:]
    return {
        "later at the end, ms": 1000 * (statistics.mean(last) - statistics.mean(first)),
        "the latest beside the earliest, ms": 1000 * (max(delays[1:]) - min(delays[1:])),
    }


async def _delays(seconds: float) -> list[float]:
    """Seconds from each mark's being played until it is heard."""
    said: list[float] = []
    heard: list[float] = []
    async with Network(1) as network:
        network.host("alice", link=Link(delay=0.02, jitter=0.005))
        network.host("bob")
        async with (
            connected_pair(network) as (call, other),
            open_voice(call, RATE) as mouth,
            open_voice(other, RATE) as ear,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(_listen, ear, heard)
            end = trio.current_time() + seconds
            while trio.current_time() < end:
                await trio.sleep(EVERY)
                said.append(trio.current_time())
                await mouth.play(MARK)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
    return [ear - mouth for mouth, ear in zip(said, heard, strict=True)]


async def _listen(ear: Voice, heard: list[float]) -> None:
    was_loud = False
    async for block in ear:
        is_loud = bool(np.abs(np.frombuffer(block, np.int16)).max() > LOUD)
        if is_loud and not was_loud:
            heard.append(trio.current_time())
        was_loud = is_loud
