"""A peer that sends what never becomes a message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.lowlevel
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    WEBRTC_BINARY,
    DataChunk,
)

from trio_rtc.rtc.backend.sctp import interleaving_transport, receive_buffer
from trio_rtc.rtc.backend.sctp.receive_buffer import (
    MAX_BYTES,
    MAX_CHUNKS,
    RECOUNT,
    WINDOW,
    ReceiveBuffer,
)

from ...pairs import Peer, open_channels, transport
from .test_association import send


def chunk(tsn: int, data: bytes, flags: int = 0, stream: int = 1) -> DataChunk:
    made = DataChunk(flags=flags)
    made.tsn, made.stream_id, made.stream_seq = tsn & 0xFFFFFFFF, stream, 1
    made.protocol, made.user_data = WEBRTC_BINARY, data
    return made


@pytest.fixture(autouse=True)
def without_interleaving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaving_transport, "KINDS", b"")


async def flood(alice: Peer, bob: Peer, count: int, size: int, gap: int, flags: int = 0) -> None:
    """Send chunks of which each overtakes as many as ``gap``."""
    first = transport(bob)._last_received_tsn + 1 + gap
    for number in range(0, count, 16):
        chunks = [
            chunk(first + tsn * (gap + 1), bytes(size), flags, stream=(number + tsn) % 500)
            for tsn in range(number, min(number + 16, count))
        ]
        for one in chunks:
            await send(alice, one)
        await trio.lowlevel.checkpoint()


def kept(peer: Peer) -> int:
    streams = transport(peer)._inbound_streams.values()
    return sum(map(len, streams))


async def test_what_overtakes_what_never_comes_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive_buffer, "MAX_CHUNKS", 200)
    monkeypatch.setattr(receive_buffer, "RECOUNT", 20)
    async with open_channels() as (ours, theirs, alice, bob):
        await flood(alice, bob, 600, 1, gap=1)
        # What is next is taken all the same.
        await ours.send("still there?")
        assert await theirs.receive() == "still there?"
        assert 200 <= kept(bob) <= 240
        await theirs.send("yes")
        assert await ours.receive() == "yes"


async def test_a_message_that_never_ends_ends_the_association(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(receive_buffer, "MAX_BYTES", 2 * 1024 * 1024)
    async with open_channels() as (_, theirs, alice, bob):
        with suppress(ConnectionError):
            await flood(alice, bob, 6000, 1000, gap=0, flags=SCTP_DATA_FIRST_FRAG)
        with pytest.raises(trio.BrokenResourceError):
            await theirs.receive()
        await bob.over.wait()
    assert caplog.text.count("never end") == 1


def stream(chunks: int) -> Any:
    return [None] * chunks


def test_all_are_counted_only_now_and_then() -> None:
    """Counting takes as long as there are streams, of which there may be 65 535."""
    buffer = ReceiveBuffer()
    counted = 0

    def streams() -> Iterator[Any]:
        nonlocal counted
        counted += 1
        yield stream(MAX_CHUNKS)

    for chunks in (MAX_CHUNKS + 1, RECOUNT, RECOUNT):
        for _ in range(chunks - 1):
            buffer.judge(is_next=True, advertised=WINDOW, streams=streams())
        before = counted
        buffer.judge(is_next=True, advertised=WINDOW, streams=streams())
        assert counted == before + 1
    assert counted == 3


def test_limits_in_bytes() -> None:
    buffer = ReceiveBuffer()

    def judge(kept: int, *, is_next: bool) -> str:
        return buffer.judge(is_next=is_next, advertised=WINDOW - kept, streams=[])

    assert judge(MAX_BYTES - 1, is_next=False) == "take"
    assert judge(MAX_BYTES, is_next=False) == "drop"
    assert judge(2 * MAX_BYTES - 1, is_next=True) == "take"
    assert judge(2 * MAX_BYTES, is_next=True) == "abort"


def test_limits_in_chunks() -> None:
    for kept, is_next, verdict in (
        (MAX_CHUNKS - 1, False, "take"),
        (MAX_CHUNKS, False, "drop"),
        (2 * MAX_CHUNKS - 1, True, "take"),
        (2 * MAX_CHUNKS, True, "abort"),
    ):
        buffer = ReceiveBuffer()
        streams = [stream(kept - 1), stream(1)]
        said = [
            buffer.judge(is_next=is_next, advertised=WINDOW, streams=streams)
            for _ in range(MAX_CHUNKS + 1)
        ]
        assert said[-1] == verdict
        assert set(said[:-1]) == {"take"}
        # And when there is less again, it goes on.
        again = [
            buffer.judge(is_next=is_next, advertised=WINDOW, streams=[stream(3)])
            for _ in range(MAX_CHUNKS + 1)
        ]
        assert again[-1] == "take"
