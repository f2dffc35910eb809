"""Sound over a real connection of which packets are lost, changed or doubled."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from fractions import Fraction
from itertools import count, pairwise
from typing import Any

import numpy as np
import pytest
import trio
from aiortc import RTCRtpReceiver
from aiortc.rtp import RtcpByePacket
from av import AudioFrame

from trio_rtc.rtc import MediaTrack, PeerConnection, open_track
from trio_rtc.rtc.backend import ledger

from ...cutting import change_media
from ...lacking import lacking
from ...media_changes import Change, changed, numbered, stepping, with_strange_packets, wrapping
from ...pairs import Peer, negotiate, open_pair
from ...virtual import in_virtual_time

PIECE = 0.02


async def pieces(number: int | None) -> AsyncIterator[AudioFrame]:
    """A tone in so many pieces of 20 ms, in real time; None for one without end."""
    began = trio.current_time()
    for n in count() if number is None else range(number):
        times = (np.arange(960) + n * 960) / 48_000
        wave = (10_000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
        frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, n * 960, Fraction(1, 48_000)
        yield frame
        await trio.sleep_until(began + (n + 1) * PIECE)


def receiver(peer: Peer) -> Any:
    [found] = peer.connection._loop_connection._pc.getReceivers()
    return found


@asynccontextmanager
async def sound(
    change: Change | None = None, number: int | None = None, *, strangers: bool = False
) -> AsyncIterator[tuple[MediaTrack, Peer, Peer]]:
    """What Bob gets of what Alice sends, from the first packet on."""
    with trio.fail_after(30):
        async with open_track("audio", pieces(number)) as track, open_pair() as (alice, bob):
            await alice.connection.add_track(track)
            await negotiate(alice, bob, strangers=strangers)
            if change is not None:
                change_media(alice.connection, change)
            yield await bob.tracks.receive(), alice, bob


async def take(track: MediaTrack, number: int) -> list[AudioFrame]:
    found = []
    async for frame in track.frames(1000):
        assert isinstance(frame, AudioFrame)
        found.append(frame)
        if len(found) == number:
            break
    return found


def assert_whole(frames: list[AudioFrame]) -> None:
    """There is sound all the time, and each piece begins where the last one ends."""
    for one, other in pairwise(frames):
        assert one.pts is not None
        assert one.pts + one.samples == other.pts
    # The encoder begins, the reader may have come in the middle.
    assert all(np.abs(f.to_ndarray().astype(int)).max() > 1000 for f in frames[5:])


@pytest.mark.parametrize("lost", [{30}, {30, 40, 50}, {30, 31, 32}])
@in_virtual_time
async def test_a_lost_packet_makes_no_hole(lost: set[int]) -> None:
    place = numbered()
    async with sound(lambda data: [data] * (place(data) not in lost)) as (track, _, _):
        assert_whole(await take(track, 60))


@in_virtual_time
async def test_doubles_and_order() -> None:
    place, kept = numbered(), list[bytes]()

    def change(data: bytes) -> Iterable[bytes]:
        if place(data) % 10 == 3:
            kept.append(data)
            return []
        out = [data, *kept, data]
        kept.clear()
        return out

    async with sound(change) as (track, _, _):
        assert_whole(await take(track, 60))


@pytest.mark.parametrize("step", [-4800, 48_000 * 3600, -48_000 * 3600, 1 << 31])
@in_virtual_time
async def test_a_clock_that_leaps(step: int) -> None:
    async with sound(stepping(step, 20)) as (track, _, _):
        assert_whole(await take(track, 60))


@in_virtual_time
async def test_a_clock_that_wraps() -> None:
    async with sound(wrapping(30 * 960)) as (track, _, _):
        assert_whole(await take(track, 60))


@in_virtual_time
async def test_another_source_without_a_word() -> None:
    place = numbered()

    def change(data: bytes) -> Iterable[bytes]:
        other = place(data) >= 30
        return [changed(data, timestamp=123_456_789, ssrc=b"late") if other else data]

    async with sound(change) as (track, _, _):
        frames = await take(track, 60)
        # What is between the two is no leap.
        times = [frame.time or 0.0 for frame in frames]
        assert all(0 < b - a < 1 for a, b in pairwise(times))


@in_virtual_time
async def test_packets_of_unknown_types_and_without_a_payload() -> None:
    async with sound(with_strange_packets()) as (track, _, _):
        assert_whole(await take(track, 60))


@pytest.mark.parametrize("payload", [b"\xff", b"\xff" * 9, b"\xfc" + b"\xaa" * 1100])
@in_virtual_time
async def test_what_cannot_be_decoded(payload: bytes) -> None:
    place = numbered()

    def change(data: bytes) -> Iterable[bytes]:
        broken = bytes([0x80, data[1] & 0x7F]) + data[2:12] + payload
        return [broken if place(data) % 20 == 15 else data]

    async with sound(change) as (track, _, _):
        assert len(await take(track, 60)) == 60


@pytest.mark.parametrize(
    "strange",
    [
        # Extensions that are shorter, longer or of no length at all; reports of no length.
        b"\x90\x60\0\0" + bytes(8) + b"\xbe\xde\0\1\x21\1\2\0",
        b"\x90\x60\0\0" + bytes(8) + b"\xbe\xde\0\2\x23\1\2\3\4\0\0\0",
        b"\x90\x60\0\0" + bytes(8) + b"\x10\0\0\1\2\0\0\0",
        b"\x8f\xce\0\4" + bytes(8) + b"REMB\xff\0\0\0",
        # Of two sources that it names one is there: SRTP takes nothing that is shorter.
        b"\x82\xcb\0\1" + bytes(4),
        b"\x80\xc8\0\1" + bytes(4),
    ],
    ids=["short", "long", "empty", "REMB", "BYE", "report"],
)
@in_virtual_time
async def test_a_packet_that_cannot_be_read_ends_nothing(strange: bytes) -> None:
    async with sound(lambda data: [strange, data]) as (track, _, _):
        assert_whole(await take(track, 20))


@in_virtual_time
async def test_all_up_to_the_end_is_played() -> None:
    async with sound(number=50) as (track, _, _):
        frames = await take(track, 1000)
        assert_whole(frames)
        assert frames[-1].time == pytest.approx(49 * PIECE)


async def say_goodbye(connection: PeerConnection) -> None:
    [sender] = connection._loop_connection._pc.getSenders()
    await sender._send_rtcp([RtcpByePacket(sources=[sender._ssrc])])


@in_virtual_time
async def test_a_goodbye_of_another_stack_mutes() -> None:
    """libwebrtc says goodbye to a source just before it begins."""
    async with sound(strangers=True) as (track, alice, bob):
        await alice.connected.wait()
        await bob.connected.wait()
        for _ in range(3):
            await alice.connection._bridge.run(say_goodbye, alice.connection)
            assert len(await take(track, 20)) == 20
        assert receiver(bob).track.readyState == "live"


@in_virtual_time
async def test_nothing_is_lost_where_numbers_begin_again_after_a_goodbye() -> None:
    gone = trio.Event()

    def change(data: bytes) -> Iterable[bytes]:
        if gone.is_set():
            [number] = struct.unpack_from("!H", data, 2)
            data = data[:2] + struct.pack("!H", (number + 30_000) & 0xFFFF) + data[4:]
        return [data]

    async with sound(change, strangers=True) as (track, alice, _):
        frames: list[AudioFrame] = []
        async for frame in track.frames(1000):
            assert isinstance(frame, AudioFrame)
            frames.append(frame)
            if len(frames) == 20:
                await alice.connection._bridge.run(say_goodbye, alice.connection)
                gone.set()
            if len(frames) == 60:
                break
        assert_whole(frames)


# In real time: aiortc decodes in a thread of its own.
async def test_without_what_is_private_it_is_aiortcs() -> None:
    with lacking("receiving", ledger.RTP_RECEIVER):
        async with sound() as (track, _, bob):
            assert type(receiver(bob)) is RTCRtpReceiver
            assert await take(track, 5)


@in_virtual_time
async def test_senders_are_told_that_copies_are_of_use() -> None:
    """Browsers add forward error correction only for whom it serves (RFC 7587, section 6.1)."""
    async with sound() as (_, alice, bob):
        for peer in (alice, bob):
            described = peer.connection.local_description
            assert described is not None
            [line] = [line for line in described.sdp.splitlines() if "useinbandfec=1" in line]
            assert line.startswith("a=fmtp:")
