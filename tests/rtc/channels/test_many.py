"""Many channels, after each other and at once, and what is left of them."""

from __future__ import annotations

import gc
import itertools

import trio

from trio_rtc.rtc import ChannelStream, DataChannel
from trio_rtc.rtc.backend.sctp.channel import LoopChannel

from ..bridge.stepping import cancelled_after_each_step
from ..pairs import Peer, open_channels

NUMBERS = itertools.count()


async def one_stream(alice: Peer, bob: Peer, data: bytes) -> int:
    """A short stream there and back; gives the id of its channel."""
    label = f"stream {next(NUMBERS)}"
    channel = await alice.connection.create_data_channel(label)
    async with ChannelStream(channel) as ours:
        await ours.send_all(data)
        await ours.send_eof()
        # One that was cancelled may have left its channel.
        while (arrived := await bob.channels.receive()).label != label:
            pass
        async with ChannelStream(arrived) as theirs:
            assert b"".join([part async for part in theirs]) == data
            await theirs.send_all(data)
            await theirs.send_eof()
        assert b"".join([part async for part in ours]) == data
    assert channel.id is not None
    return channel.id


def channels_alive() -> int:
    gc.collect()
    kinds = (DataChannel, LoopChannel)
    return sum(isinstance(thing, kinds) for thing in gc.get_objects())


async def test_a_thousand_after_each_other() -> None:
    async with open_channels() as (_, _, alice, bob):
        ids = {await one_stream(alice, bob, b"warm up") for _ in range(10)}
        before = channels_alive()
        for number in range(1000):
            ids.add(await one_stream(alice, bob, b"%d" % number))
        # Of those that libwebrtc has, all of one side's that are free, and no others.
        assert len(ids) == 511
        assert max(ids) < 1024
        assert channels_alive() <= before + 4


async def test_hundreds_at_once() -> None:
    async with open_channels() as (_, _, alice, _):
        streams = [
            await alice.connection.create_data_channel(f"stream {number}") for number in range(300)
        ]
        for number, channel in enumerate(streams):
            await channel.send(str(number))
        assert len({channel.id for channel in streams}) == 300
        async with trio.open_nursery() as nursery:
            for channel in streams:
                nursery.start_soon(channel.aclose)


async def test_a_stream_cancelled_at_every_step() -> None:
    async with open_channels() as (_, _, alice, bob):

        async def work() -> None:
            await one_stream(alice, bob, b"hello" * 20_000)

        assert await cancelled_after_each_step(work) > 5
        await work()
