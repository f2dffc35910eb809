"""Tracks that both sides add and take away at random moments, on paths that lose packets."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import Random

import numpy as np
import pytest
import trio
from av import VideoFrame

from trio_rtc.calls.call import Call
from trio_rtc.rtc import MediaTrack, TrackSender, open_track
from trio_rtc.testing import Link, MemoryHub, Network, connected_pair, simulate

from .test_simulated_media import tone

ROUNDS = 3


async def grey() -> AsyncIterator[VideoFrame]:
    while True:
        yield VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
        await trio.sleep(0.1)


def sections(call: Call) -> list[str]:
    description = call._connection.local_description
    assert description is not None
    return sorted(re.findall(r"^m=(audio|video)", description.sdp, re.M))


async def until_agreed(*calls: Call) -> None:
    while any(  # noqa: ASYNC110
        call._connection.negotiation_needed or call._connection.signaling_state != "stable"
        for call in calls
    ):
        await trio.sleep(0.01)


class Rounds:
    """What happens in a call: everybody adds a track of each kind, and takes them away again."""

    def __init__(self, random: Random, calls: tuple[Call, Call], tracks: list[MediaTrack]):
        self._random = random
        self._calls = calls
        self._tracks = tracks
        self._senders: list[TrackSender] = []
        self._received: list[MediaTrack] = []

    async def run(self) -> None:
        self._senders.clear()
        self._received.clear()
        async with trio.open_nursery() as nursery:
            for call in self._calls:
                nursery.start_soon(self._take, call)
                for track in self._tracks:
                    nursery.start_soon(self._add, call, track)
        async with trio.open_nursery() as nursery:
            for sender in self._senders:
                nursery.start_soon(self._stop, sender)
            for track in self._received:
                nursery.start_soon(self._until_it_ends, track)
        await until_agreed(*self._calls)

    async def _add(self, call: Call, track: MediaTrack) -> None:
        await trio.sleep(self._moment())
        self._senders.append(await call.add_track(track))

    async def _stop(self, sender: TrackSender) -> None:
        await trio.sleep(self._moment())
        await sender.stop()

    async def _take(self, call: Call) -> None:
        for _ in self._tracks:
            track = await anext(aiter(call.tracks))
            frame = await anext(aiter(track), None)
            assert frame is not None, "a track has ended before it began"
            self._received.append(track)

    async def _until_it_ends(self, track: MediaTrack) -> None:
        async for _ in track:
            pass

    def _moment(self) -> float:
        return self._random.choice([0.0, 0.0, self._random.random() * 0.1])


async def add_and_take_away(network: Network) -> None:
    random = Random(network.seed)
    link = Link(
        delay=random.choice([0.0005, 0.005, 0.03, 0.2]),
        jitter=random.choice([0.0, 0.01]),
        loss=random.choice([0.0, 0.02, 0.05]),
    )
    alice = network.host("alice", link=link)
    network.host("bob", link=link)
    hub, slowness = MemoryHub(), random.choice([0.0, 0.0, 0.02, 0.2])

    async def be_slow(*_: object) -> None:
        await trio.sleep(random.random() * slowness)

    hub.delay = be_slow if slowness else None
    with trio.fail_after(300):
        async with connected_pair(network, hub=hub) as (ours, theirs), AsyncExitStack() as stack:
            with alice:
                tracks = [
                    await stack.enter_async_context(open_track("audio", tone())),
                    await stack.enter_async_context(open_track("video", grey())),
                ]
                rounds = Rounds(random, (ours, theirs), tracks)
                for _ in range(ROUNDS):
                    await rounds.run()
                    # What crosses may need places of its own, once.
                    assert len(sections(ours)) <= 2 * len(tracks)
                assert sections(ours) == sections(theirs)
                channel = await ours.open_channel("chat")
                await channel.send("still there?")
                assert await (await anext(aiter(theirs.channels))).receive() == "still there?"


#: Packets that were under way when the next track began ended it, with their goodbye.
STRAGGLERS = (0, 7, 9)


@pytest.mark.parametrize("seed", STRAGGLERS)
def test_each_track_begins_and_ends(seed: int) -> None:
    simulate(add_and_take_away, [seed])
