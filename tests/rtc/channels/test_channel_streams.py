"""What comes on a stream that is in use, or is none: no message ends the connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from struct import pack

import pytest
import trio
from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import (
    DATA_CHANNEL_ACK,
    DATA_CHANNEL_OPEN,
    WEBRTC_DCEP,
    WEBRTC_STRING,
    StreamResetResponseParam,
)

from trio_rtc.rtc.backend import patches

from ..pairs import Peer, open_channels


def sctp_of(peer: Peer) -> RTCSctpTransport:
    sctp = peer.connection._loop_connection._pc.sctp
    assert sctp is not None
    return sctp


async def on_loop(peer: Peer, async_fn: Callable[[], Awaitable[None]]) -> None:
    await peer.connection._bridge.run(async_fn)


async def send_raw(peer: Peer, stream_id: int, pp_id: int, data: bytes) -> None:
    async def send() -> None:
        with peer.connection._loop_connection._owner.owning():
            await sctp_of(peer)._send(stream_id, pp_id, data)

    await on_loop(peer, send)


def announce(label: bytes) -> bytes:
    return pack("!BBHLHH", DATA_CHANNEL_OPEN, 0, 0, 0, len(label), 0) + label


async def test_what_is_private_is_there() -> None:
    assert patches.missing_attributes("streams") == []


async def test_an_answer_to_a_reset_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        sctp = sctp_of(alice)
        send = sctp._send_reconfig_param
        lost: list[object] = []

        async def lose_one_answer(param: object) -> None:
            if isinstance(param, StreamResetResponseParam) and not lost:
                lost.append(param)
            else:
                await send(param)  # type: ignore[arg-type]

        monkeypatch.setattr(sctp, "_send_reconfig_param", lose_one_answer)
        await ours.aclose()
        # To us it is closed; the other side waits for our answer, and hears of a new channel.
        assert not theirs.closed
        assert len(lost) == 1
        again = await alice.connection.create_data_channel("again", id=ours.id)
        await again.send("hello")
        with pytest.raises(trio.EndOfChannel):
            await theirs.receive()
        theirs = await bob.channels.receive()
        assert (theirs.label, theirs.id) == ("again", ours.id)
        assert await theirs.receive() == "hello"
        await theirs.send("hello to you")
        assert await again.receive() == "hello to you"
        await again.aclose()
        with pytest.raises(trio.EndOfChannel):
            await theirs.receive()


async def test_messages_that_make_no_sense(caplog: pytest.LogCaptureFixture) -> None:
    async with open_channels(strangers=True) as (ours, theirs, alice, _):
        assert ours.id is not None
        await send_raw(alice, ours.id, WEBRTC_DCEP, announce(b"in use"))
        await send_raw(alice, 700, WEBRTC_DCEP, bytes([DATA_CHANNEL_ACK]))
        await send_raw(alice, 702, WEBRTC_DCEP, announce(b"\xff"))
        await send_raw(alice, 704, WEBRTC_DCEP, bytes([DATA_CHANNEL_OPEN]))
        await send_raw(alice, 706, WEBRTC_STRING, b"to nobody")
        await send_raw(alice, ours.id, WEBRTC_STRING, b"caf\xe9")
        await ours.send("still there?")
        assert await theirs.receive() == "caf\ufffd"
        assert await theirs.receive() == "still there?"
    warnings = [r.getMessage() for r in caplog.records if r.name == "trio_rtc.rtc"]
    assert [warning.partition(":")[0] for warning in warnings] == [
        f"the other side opens a channel on stream {ours.id}, in use",
        "the other side confirms a channel on stream 700, unknown",
        "a channel of the other side has no proper name",
    ]
