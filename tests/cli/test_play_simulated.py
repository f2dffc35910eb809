"""What ``trio-rtc play`` and ``publish`` wait for, on a simulated network."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from av import AudioFrame

from trio_rtc import Call, MediaTrack, open_track
from trio_rtc.cli.calling.media_sources import until_sent
from trio_rtc.testing import MemoryHub, Network, connected_pair

from ..testing.simulated import run

SAMPLES = 960
RATE = 48_000


async def silence(pieces: float) -> AsyncIterator[AudioFrame]:
    """Sound of 20 ms each time that it is asked for."""
    while pieces > 0:
        frame = AudioFrame("s16", "mono", SAMPLES)
        frame.sample_rate = RATE
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        yield frame
        pieces -= 1


@asynccontextmanager
async def sending(
    network: Network, hub: MemoryHub, pieces: float
) -> AsyncIterator[tuple[Call, Call, MediaTrack]]:
    """Both ends of a call in which Alice sends so many pieces of sound to Bob."""
    async with (
        open_track("audio", silence(pieces)) as track,
        connected_pair(network, hub=hub) as (call, other),
    ):
        await call.add_track(track)
        await anext(aiter(other.tracks))
        yield call, other, track


def test_who_closes_the_connection_first_has_not_seen_the_end() -> None:
    async def program(network: Network) -> None:
        hub = MemoryHub()
        slow = hub.hold("bob bye")
        async with (
            sending(network, hub, math.inf) as (call, other, track),
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(other.hang_up)
            assert not await until_sent(call, [track])
            assert call.end is not None
            assert not track.ended
            slow.release()

    run(program)


def test_all_is_sent_when_the_track_has_ended() -> None:
    async def program(network: Network) -> None:
        async with sending(network, MemoryHub(), 100) as (call, _, track):
            assert await until_sent(call, [track])
            assert track.ended
            assert call.end is None

    run(program)
