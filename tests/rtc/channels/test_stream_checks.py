"""Trio's own checks of streams, on streams over channels."""

from __future__ import annotations

import trio
from trio.testing import check_half_closeable_stream

from trio_rtc.rtc import ChannelStream
from trio_rtc.rtc.channels.extension import WINDOW
from trio_rtc.rtc.channels.framing import PART_SIZE, cost

from ..pairs import Peer, negotiate, open_pair


async def open_stream(alice: Peer, bob: Peer) -> tuple[ChannelStream, ChannelStream]:
    ours = await alice.connection.create_data_channel("stream")
    return ChannelStream(ours), ChannelStream(await bob.channels.receive())


async def test_half_closeable() -> None:
    async def make() -> tuple[ChannelStream, ChannelStream]:
        return await open_stream(alice, bob)

    async def make_clogged() -> tuple[ChannelStream, ChannelStream]:
        ours, theirs = await make()
        for stream in (ours, theirs):
            parts = WINDOW // cost(PART_SIZE)
            await stream.send_all(b"x" * PART_SIZE * parts)
            await stream.send_all(b"x" * (WINDOW - parts * cost(PART_SIZE) - cost(0)))
        return ours, theirs

    with trio.fail_after(60):
        async with open_pair() as (alice, bob):
            await alice.connection.create_data_channel("first")
            await negotiate(alice, bob)
            await bob.channels.receive()
            await check_half_closeable_stream(make, make_clogged)
