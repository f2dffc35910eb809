"""Pictures over a real connection of which packets are lost, changed or doubled."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from fractions import Fraction
from itertools import count, pairwise
from typing import Any

import numpy as np
import pytest
import trio
from aiortc import RTCRtpReceiver
from aiortc.mediastreams import VIDEO_TIME_BASE
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpRtpfbPacket
from av import AudioFrame, CodecContext, VideoFrame

from trio_rtc.rtc import MediaTrack, PeerConnection, open_track
from trio_rtc.rtc.backend import ledger
from trio_rtc.rtc.backend.media import video_encoders
from trio_rtc.rtc.backend.media.congestion.media_path import MediaPath
from trio_rtc.rtc.backend.media.receiving.pictures import picture_decoding

from ...cutting import change_media
from ...lacking import lacking
from ...media.pictures import level, picture, tone
from ...media_changes import Change, changed, losing, numbered, stepping, with_strange_packets
from ...pairs import Peer, negotiate, open_pair
from ...virtual import in_virtual_time

FPS = 20


async def shades(number: int | None) -> AsyncIterator[VideoFrame]:
    """Pictures in real time, each of which tells which it is."""
    began = trio.current_time()
    for n in count() if number is None else range(number):
        yield picture(shade(n))
        await trio.sleep_until(began + (n + 1) / FPS)


def shade(number: int) -> int:
    return 30 + 20 * (number % 10)


def receiver(peer: Peer) -> Any:
    [found] = peer.connection._loop_connection._pc.getReceivers()
    return found


@asynccontextmanager
async def video(
    change: Change | None = None,
    frames: AsyncIterator[VideoFrame] | None = None,
    *,
    strangers: bool = False,
    codec: str = "VP8",
) -> AsyncIterator[tuple[MediaTrack, Peer, Peer]]:
    """What Bob gets of what Alice sends."""
    with trio.fail_after(30):
        async with (
            open_track("video", frames or shades(None)) as track,
            open_pair() as (alice, bob),
        ):
            for peer in (alice, bob):
                peer.connection._loop_connection.sections.prefer_codecs([codec])
            await alice.connection.add_track(track)
            await negotiate(alice, bob, strangers=strangers)
            if change is not None:
                change_media(alice.connection, change)
            yield await bob.tracks.receive(), alice, bob


async def take(track: MediaTrack, number: int) -> list[VideoFrame]:
    found = []
    async for frame in track.frames(100):
        assert isinstance(frame, VideoFrame)
        found.append(frame)
        if len(found) == number:
            break
    return found


def assert_in_time(frames: list[VideoFrame]) -> None:
    """Their times go on as the clock on the wall does."""
    times = [frame.time or 0.0 for frame in frames]
    assert all(0 < b - a < 2 for a, b in pairwise(times)), times
    assert times[-1] - times[0] == pytest.approx((len(times) - 1) / FPS, abs=1.5), times


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@in_virtual_time
async def test_each_is_there_before_the_next_is_sent(codec: str) -> None:
    """The next one is made when the last one has been seen, and none is after the last."""
    seen = trio.Event()

    async def slides() -> AsyncIterator[VideoFrame]:
        nonlocal seen
        await connected.wait()
        for n in range(8):
            seen = trio.Event()
            yield picture(shade(n))
            await seen.wait()

    connected = trio.Event()
    async with video(frames=slides(), codec=codec) as (track, alice, bob):
        frames = aiter(track)
        await alice.connected.wait()
        await bob.connected.wait()
        connected.set()
        for n in range(8):
            assert level(await anext(frames)) == pytest.approx(shade(n), abs=8)
            seen.set()
        assert [frame async for frame in frames] == []


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@in_virtual_time
async def test_the_last_ones_are_seen(codec: str) -> None:
    async with video(frames=shades(30), codec=codec) as (track, _, _):
        frames = await take(track, 1000)
        assert level(frames[-1]) == pytest.approx(shade(29), abs=8)
        assert_in_time(frames)


async def test_what_is_decoded_at_the_end_does_not_outlive_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode, ended = picture_decoding._decode, []

    def slowly(*args: Any) -> list[VideoFrame]:
        # Much longer than all else that is left to do takes.
        time.sleep(0.3)
        ended.append(args)
        return decode(*args)

    async def single() -> AsyncIterator[VideoFrame]:
        yield picture(shade(0))
        await trio.sleep_forever()

    async with video(frames=single()) as (track, _, _):
        await anext(aiter(track))
        monkeypatch.setattr(picture_decoding, "_decode", slowly)
    assert len(ended) == 1


@in_virtual_time
async def test_a_single_one_is_seen() -> None:
    async with video(frames=shades(1)) as (track, _, _):
        assert len([frame async for frame in track]) == 1


@pytest.fixture
def all_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that leaves out no picture, though noise is more than it believes a path carries."""
    monkeypatch.setattr(MediaPath, "is_behind", False)
    monkeypatch.setattr(MediaPath, "share", lambda *_: None)


@pytest.mark.usefixtures("all_are_sent")
@pytest.mark.parametrize("codec", ["VP8", "H264"])
@in_virtual_time
async def test_none_is_missing_where_a_fifth_of_the_packets_is_lost(codec: str) -> None:
    async with video(losing(0.2), noise(), codec=codec) as (track, _, _):
        frames = await take(track, 50)
        assert_in_time(frames)
        times = [frame.time or 0.0 for frame in frames]
        assert max(b - a for a, b in pairwise(times)) < 1


async def noise() -> AsyncIterator[VideoFrame]:
    """Pictures that take several packets each."""
    chance = np.random.default_rng(1)
    began = trio.current_time()
    for n in count():
        pixels = chance.integers(0, 255, (240, 320, 3), np.uint8)
        yield VideoFrame.from_ndarray(pixels, format="rgb24")
        await trio.sleep_until(began + (n + 1) / FPS)


@in_virtual_time
async def test_a_key_that_never_comes_is_asked_for_again() -> None:
    """The first second is lost, and so are the packets that are sent again of it."""
    place = numbered()
    lost: set[bytes] = set()

    def change(data: bytes) -> Iterable[bytes]:
        if place(data) < 20:
            lost.add(data[4:8])
        return [data] * (data[4:8] not in lost)

    async with video(change) as (track, _, _):
        frames = await take(track, 20)
        assert_in_time(frames)
        assert all(level(frame) > 20 for frame in frames)


@pytest.mark.parametrize("step", [-9_000, -90_000 * 3600, 90_000 * 3600, 1 << 31])
@in_virtual_time
async def test_a_clock_that_leaps_again_and_again(step: int) -> None:
    async with video(stepping(step, 10)) as (track, _, _):
        assert_in_time(await take(track, 30))


@in_virtual_time
async def test_a_clock_that_leaps_once() -> None:
    async with video(once(90_000 * 3600)) as (track, _, _):
        assert_in_time(await take(track, 30))


def once(step: int) -> Change:
    place = numbered()
    return lambda data: [changed(data, timestamp=step if place(data) >= 15 else 0)]


@in_virtual_time
async def test_another_source_without_a_word() -> None:
    """As from an SFU that switches: with another base, and soon a picture that stands alone."""
    place = numbered()

    def change(data: bytes) -> Iterable[bytes]:
        if place(data) < 20:
            return [data]
        if place(data) == 20:
            [sender] = alice.connection._loop_connection._pc.getSenders()
            sender._send_keyframe()
        return [changed(data, timestamp=2_000_000_000, ssrc=b"late")]

    async with video(change) as (track, alice, _):
        assert_in_time(await take(track, 40))


@pytest.mark.usefixtures("all_are_sent")
@in_virtual_time
async def test_packets_of_unknown_types_and_without_a_payload() -> None:
    async with video(with_strange_packets(), noise()) as (track, _, _):
        frames = await take(track, 40)
        assert_in_time(frames)
        times = [frame.time or 0.0 for frame in frames]
        assert max(b - a for a, b in pairwise(times)) < 0.5


@in_virtual_time
async def test_a_packet_that_cannot_be_read() -> None:
    place = numbered()

    def change(data: bytes) -> Iterable[bytes]:
        broken = bytes([0x80, data[1]]) + data[2:12] + b"\x90"
        return [broken if place(data) == 20 else data]

    async with video(change) as (track, _, _):
        assert_in_time(await take(track, 40))


async def say_goodbye(connection: PeerConnection) -> None:
    [sender] = connection._loop_connection._pc.getSenders()
    await sender._send_rtcp([RtcpByePacket(sources=[sender._ssrc])])


@in_virtual_time
async def test_a_goodbye_of_another_stack_mutes() -> None:
    async with video(strangers=True) as (track, alice, bob):
        await alice.connected.wait()
        await bob.connected.wait()
        for _ in range(3):
            await alice.connection._bridge.run(say_goodbye, alice.connection)
            assert len(await take(track, 10)) == 10
        assert receiver(bob).track.readyState == "live"


@pytest.mark.parametrize("held", [0.6])
async def test_a_burst_that_is_late_is_thinned(held: float) -> None:
    """Nothing comes for a while, and then all of it: what is shown is not each of them."""
    place, kept = numbered(), list[bytes]()

    def change(data: bytes) -> Iterable[bytes]:
        if 20 <= place(data) < 20 + held * FPS:
            kept.append(data)
            return []
        out = [*kept, data]
        kept.clear()
        return out

    async with video(change) as (track, _, _):
        frames = await take(track, 60)
        assert_in_time(frames)
        times = [frame.time or 0.0 for frame in frames]
        # It takes more time than so many would.
        assert times[-1] - times[0] > 59.5 / FPS


@in_virtual_time
async def test_sound_that_begins_later_has_later_times() -> None:
    """A second of pictures has been seen before the first sound is sent."""
    seen = trio.Event()

    async def late() -> AsyncIterator[AudioFrame]:
        await seen.wait()
        async for frame in tone():
            yield frame

    with trio.fail_after(30):
        async with (
            open_track("video", shades(None)) as pictures,
            open_track("audio", late()) as sounds,
            open_pair() as (alice, bob),
        ):
            for track in (pictures, sounds):
                await alice.connection.add_track(track)
            await negotiate(alice, bob)
            received = {}
            for _ in range(2):
                track = await bob.tracks.receive()
                received[track.kind] = track
            before = (await take(received["video"], 20))[-1].time or 0.0
            seen.set()
            heard = (await anext(aiter(received["audio"]))).time or 0.0
            after = (await take(received["video"], 5))[-1].time or 0.0
            # Some pictures were made before there was a connection, and came at once.
            assert 0.3 < before < heard + 0.5
            assert heard < after + 0.5


@in_virtual_time
async def test_pictures_that_are_sent_in_decoding_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two B-frames between those that they build on, as cameras and films have them."""
    encoders: dict[Any, Any] = {}
    order: list[int] = []

    def encode(self: Any, frame: VideoFrame, *_: object) -> tuple[list[bytes], int]:
        if self not in encoders:
            encoder: Any = CodecContext.create("libx264", "w")
            encoders[self] = encoder
            encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuv420p"
            encoder.time_base, encoder.framerate = VIDEO_TIME_BASE, Fraction(FPS)
            encoder.options = {"bf": "2", "g": "1000", "x264-params": "b-adapt=0:rc-lookahead=3"}
        packets = encoders[self].encode(frame.reformat(format="yuv420p"))
        if not packets:
            return [], 0
        [packet] = packets
        assert packet.pts is not None
        order.append(packet.pts)
        return self._packetize(self._split_bitstream(bytes(packet))), packet.pts

    # Those of our own have no B-frames, and give a picture the time of what was put in.
    monkeypatch.setattr(video_encoders._FittingH264, "encode", encode)
    async with video(codec="H264") as (track, _, _):
        frames = await take(track, 40)
    assert order != sorted(order)
    assert_in_time(frames)
    first = frames[0].time or 0.0
    begins = min(range(10), key=lambda n: abs(level(frames[0]) - shade(n)))
    for frame in frames:
        number = begins + round(((frame.time or 0.0) - first) * FPS)
        assert level(frame) == pytest.approx(shade(number), abs=8)


@in_virtual_time
async def test_what_is_passed_on_keeps_its_times() -> None:
    """To a third peer, though the first one's clock leaps by an hour."""
    async with video(stepping(90_000 * 3600, 10)) as (track, _, _), open_pair() as (carol, dave):
        await carol.connection.add_track(track)
        await negotiate(carol, dave)
        assert_in_time(await take(await dave.tracks.receive(), 40))


# In real time: aiortc decodes in a thread of its own.
async def test_without_what_is_private_it_is_aiortcs() -> None:
    with lacking("receiving", ledger.RTP_RECEIVER):
        async with video() as (track, _, bob):
            assert type(receiver(bob)) is RTCRtpReceiver
            assert await take(track, 5)


@in_virtual_time
async def test_packets_are_asked_for_where_their_numbers_wrap() -> None:
    asked: list[bytes] = []

    async def send(packet: RtcpRtpfbPacket) -> None:
        asked.append(bytes(packet))

    async with video() as (track, _, bob):
        receiving = receiver(bob)
        await take(track, 1)
        receiving._send_rtcp = send

        async def ask() -> None:
            [stream] = receiving._streams.values()
            receiving._ask_again(stream, [65_534, 65_535, 65_536, 65_538])

        await bob.connection._bridge.run(ask)
    [packet] = RtcpPacket.parse(asked[0])
    assert isinstance(packet, RtcpRtpfbPacket)
    assert set(packet.lost) == {65_534, 65_535, 0, 2}
