"""What a peer may do wrong: each a clear error, after which the call goes on."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from trio_rtc.errors import MessageTooLarge
from trio_rtc.rtc import ChannelStream, DataChannel, PeerConnection
from trio_rtc.rtc.channels import inbox as channel_inbox
from trio_rtc.rtc.channels.extension import ChannelLimits
from trio_rtc.rtc.channels.framing import BLOCKED_FRAME, CREDIT, GROWN

from ...waiting import until
from ..pairs import Peer, open_channels


def send_raw(channel: DataChannel, wire: str | bytes) -> None:
    """Send as no program of ours would."""
    channel._bridge.call_soon(channel._loop_channel.send, wire)


async def goes_on(alice: Peer, bob: Peer) -> None:
    ours = await alice.connection.create_data_channel("another")
    await ours.send("still there?")
    assert await (await bob.channels.receive()).receive() == "still there?"


def send_any_size(connection: PeerConnection) -> None:
    """Have this side send messages of any size, whatever the other side takes."""
    connection._view._on_limits(ChannelLimits(float("inf")))
    sctp = connection._loop_connection._pc.sctp
    assert sctp is not None
    sctp._remote_max_message_size = 0


async def test_a_message_over_our_limit() -> None:
    async with open_channels(strangers=True) as (ours, theirs, alice, bob):
        send_any_size(alice.connection)
        for message in ("before", b"x" * 262_145, "é" * 131_073, "after"):
            await ours.send(message)
        assert await theirs.receive() == "before"
        for size in (262_145, 262_146):
            with pytest.raises(MessageTooLarge, match=f"{size} bytes.* 262144") as caught:
                await theirs.receive()
            assert caught.value.fault == "remote"
        # The channel goes on, too.
        assert await theirs.receive() == "after"
        await goes_on(alice, bob)


async def test_a_peer_that_cannot_be_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_inbox, "UNREAD_LIMIT", 100_000)
    async with open_channels(strangers=True) as (ours, theirs, alice, bob):
        for _ in range(10):
            await ours.send(b"x" * 10_000)
        await until(lambda: ours.closed)
        received = 0
        with pytest.raises(trio.BrokenResourceError, match="does not wait"):
            async for message in theirs:
                received += len(message)
        assert received == 100_000
        with pytest.raises(trio.BrokenResourceError):
            await ours.send("more")
        with pytest.raises(trio.BrokenResourceError):
            await theirs.send("more")
        await goes_on(alice, bob)


@pytest.mark.parametrize(
    ("options", "wire", "why"),
    [
        ({}, "text", "frames"),
        ({}, b"\xff", "kind 255"),
        ({}, b"\x00\xff", "UTF-8"),
        ({}, bytes([CREDIT]), "credit"),
        ({}, bytes([CREDIT]) + b"\xff" * 8, "credit"),
        ({}, bytes([GROWN]) + b"\xff" * 8, "unasked"),
        ({}, bytes([GROWN]), "credit"),
        ({"max_retransmits": 0}, bytes([CREDIT]) + bytes(8), "kind 5"),
        ({"max_retransmits": 0}, BLOCKED_FRAME, "kind 6"),
    ],
)
async def test_frames_that_make_no_sense(
    options: dict[str, Any], wire: str | bytes, why: str
) -> None:
    async with open_channels(**options) as (ours, theirs, alice, bob):
        await ours.send("before")
        send_raw(ours, wire)
        assert await theirs.receive() == "before"
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError, match=why):
                await theirs.receive()
        with pytest.raises(trio.BrokenResourceError, match=why):
            await theirs.send("more")
        await until(lambda: ours.closed)
        with pytest.raises(trio.BrokenResourceError):
            await ours.send("more")
        await goes_on(alice, bob)


async def test_more_than_there_is_credit_for() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        for _ in range(17):
            send_raw(ours, b"\x01" + bytes(64 * 1024))
        await until(lambda: ours.closed)
        with pytest.raises(trio.BrokenResourceError, match="credit"):
            async for message in theirs:
                assert message == bytes(64 * 1024)
        await goes_on(alice, bob)


async def test_text_in_a_stream() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        stream = ChannelStream(theirs)
        await ours.send("text")
        with pytest.raises(trio.BrokenResourceError, match="text"):
            await stream.receive_some()
        await goes_on(alice, bob)


@pytest.mark.parametrize("options", [{"ordered": False}, {"max_retransmits": 3}])
async def test_no_stream_over_a_channel_that_is_not_like_one(options: dict[str, Any]) -> None:
    async with open_channels(**options) as (ours, _, _, _):
        with pytest.raises(ValueError, match="ordered"):
            ChannelStream(ours)


async def test_what_was_in_flight_is_told_on_both_sides() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        await ours.send("in flight?")
        await theirs.send("in flight?")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.connection.aclose)
            nursery.start_soon(bob.connection.aclose)
        # Neither side closed its channel: nobody knows what has arrived.
        for channel in (ours, theirs):
            with pytest.raises(trio.BrokenResourceError):
                await channel.aclose()
            # Once is enough.
            await channel.aclose()


async def test_nothing_to_tell() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        await theirs.send("hello")
        await alice.connection.aclose()
        await bob.over.wait()
        # We have sent nothing; and the other side hears of it where it looks first.
        await ours.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await theirs.send("more")
        await theirs.aclose()
