"""What a hostile peer may cost: each a clear error, and the call goes on."""

from __future__ import annotations

import gc
import logging
import tracemalloc

import pytest
import trio
import trio.lowlevel

from trio_rtc.errors import MessageTooLarge
from trio_rtc.rtc import DataChannel
from trio_rtc.rtc.backend import aiortc_connection as connection
from trio_rtc.rtc.channels.extension import MAX_MESSAGE_SIZE
from trio_rtc.rtc.channels.framing import PART_HEADER

from ...calls.both_sides import open_both
from ...waiting import until
from ..pairs import open_channels
from .test_bad_input import goes_on, send_any_size, send_raw


async def flood(channel: DataChannel, frames: int, size: int) -> None:
    """First parts of messages that never end."""
    for id_ in range(frames):
        send_raw(channel, PART_HEADER.pack(3, id_, size, 0) + b"x")
        if id_ % 64 == 0:
            await trio.lowlevel.checkpoint()


async def test_a_message_over_the_limit_of_peers_of_ours_ends_its_channel() -> None:
    for options in ({}, {"ordered": False}, {"ordered": False, "max_retransmits": 0}):
        async with open_channels(**options) as (ours, theirs, alice, bob):
            await flood(ours, 3000, 2**40)
            await until(lambda: ours.closed)
            assert theirs.statistics().unread_messages == 1
            with pytest.raises(MessageTooLarge, match="over our limit") as caught:
                await theirs.receive()
            assert caught.value.fault == "remote"
            with pytest.raises(trio.BrokenResourceError, match="over our limit"):
                await theirs.receive()
            await goes_on(alice, bob)


async def test_messages_that_never_end_cost_little() -> None:
    tracemalloc.start()
    try:
        async with open_channels(ordered=False) as (ours, theirs, alice, bob):
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            await flood(ours, 5000, MAX_MESSAGE_SIZE)
            await until(lambda: ours.closed)
            with pytest.raises(trio.BrokenResourceError, match="not complete"):
                await theirs.receive()
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] - before < 2_000_000
            await goes_on(alice, bob)
    finally:
        tracemalloc.stop()


async def test_messages_that_never_end_push_each_other_out_where_they_may_be_lost() -> None:
    async with open_channels(ordered=False, max_retransmits=0) as (ours, theirs, _, _):
        await flood(ours, 5000, MAX_MESSAGE_SIZE)
        await ours.send("after")
        assert await theirs.receive() == "after"
        inbox = theirs._inbox
        assert inbox is not None
        assert inbox._budget.used < 256 * 1024


async def test_a_foreign_peer_that_sends_too_large_messages_again_and_again() -> None:
    async with open_channels(strangers=True) as (ours, theirs, alice, bob):
        send_any_size(alice.connection)
        for _ in range(18):
            send_raw(ours, b"x" * 262_145)
        refused = 0
        with pytest.raises(trio.BrokenResourceError, match="more than 16 messages over"):
            while True:
                try:
                    await theirs.receive()
                except MessageTooLarge:
                    refused += 1
        assert refused == 17
        await goes_on(alice, bob)


async def test_what_waits_in_all_channels_together_has_a_limit() -> None:
    size = 50_000
    async with open_both(max_unread_bytes=20 * size) as ends:
        ours = [await ends.alice.open_channel("data") for _ in range(3)]
        theirs = [await anext(aiter(ends.bob.channels)) for _ in range(3)]

        def unread() -> int:
            return sum(channel.statistics().unread_messages for channel in theirs)

        for number in range(18):
            await ours[number % 3].send(bytes(size))
        await until(lambda: unread() == 18)
        await ours[0].send(bytes(size))
        await ours[0].send(bytes(size))
        await until(lambda: theirs[0].closed)
        assert unread() == 20
        with pytest.raises(trio.BrokenResourceError, match="all channels together"):
            async for _ in theirs[0]:
                pass
        # There is room again, for the others.
        for channel, other in zip(ours[1:], theirs[1:], strict=True):
            await channel.send("after")
            assert [len(await other.receive()) for _ in range(7)] == [*[size] * 6, 5]


async def test_channels_beyond_the_limit_are_closed_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "MAX_CHANNELS", 3)
    caplog.set_level(logging.WARNING)
    async with open_channels() as (ours, theirs, alice, bob):
        more = [await alice.connection.create_data_channel("more") for _ in range(2)]
        theirs_more = [await bob.channels.receive() for _ in range(2)]
        for _ in range(2):
            late = await alice.connection.create_data_channel("late")
            with pytest.raises(trio.EndOfChannel):
                await late.receive()
        assert caplog.text.count("a channel of the other side is closed: there are 3") == 1
        await ours.send("still there?")
        assert await theirs.receive() == "still there?"
        # There is room again.
        await more[0].aclose()
        await until(lambda: theirs_more[0].closed)
        await goes_on(alice, bob)


async def test_a_channel_with_a_name_that_is_too_long(caplog: pytest.LogCaptureFixture) -> None:
    async with open_channels("x" * 4096) as (_, _, alice, bob):
        for label, protocol in (("é" * 2049, ""), ("x", "x" * 4096)):
            late = await alice.connection.create_data_channel(label, protocol=protocol)
            with pytest.raises(trio.EndOfChannel):
                await late.receive()
        assert "a name of 4098 bytes" in caplog.text
        await goes_on(alice, bob)
