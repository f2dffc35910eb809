"""The receive buffer of pictures, and what it asks the sender for, with exact times."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av import VideoFrame

from trio_rtc.rtc.backend.media.receiving.nack import RetransmissionRequests
from trio_rtc.rtc.backend.media.receiving.pictures.keyframes import KeyframeRequests
from trio_rtc.rtc.backend.media.receiving.pictures.picture_buffer import (
    FLUSH_SECONDS,
    TAIL_SECONDS,
    Picture,
    PictureBuffer,
    PicturePacket,
)
from trio_rtc.rtc.backend.media.receiving.pictures.picture_decoding import (
    EncodedPicture,
    PictureDecoding,
)
from trio_rtc.rtc.backend.media.receiving.pictures.picture_packets import may_precede, parse

FRAME = 3000
VP8 = RTCRtpCodecParameters("video/VP8", 90_000, payloadType=97)
PARTS = 3


def packets(
    pictures: int, *, key_at: tuple[int, ...] = (0,), first: int = 100
) -> list[PicturePacket]:
    """Pictures of three packets each."""
    return [
        PicturePacket(
            number=first + picture * PARTS + part,
            timestamp=picture * FRAME,
            marker=part == PARTS - 1,
            data=bytes([picture, part]),
            begins=part == 0,
            is_key=picture in key_at and part == 0,
        )
        for picture in range(pictures)
        for part in range(PARTS)
    ]


def picture(number: int, key_at: tuple[int, ...] = (0,)) -> Picture:
    data = b"".join(bytes([number, part]) for part in range(PARTS))
    return Picture(number * FRAME, data, number in key_at)


def test_a_picture_leaves_with_its_last_packet() -> None:
    buffer = PictureBuffer()
    left = [buffer.add(packet, n / 100) for n, packet in enumerate(packets(4))]
    assert left == [
        [picture(n // PARTS)] if n % PARTS == PARTS - 1 else [] for n in range(4 * PARTS)
    ]
    assert buffer.due is None
    assert not buffer.wants_key(9.0)


def test_order_and_doubles_are_mended() -> None:
    chance = random.Random(3)
    for _ in range(50):
        sent = packets(20)
        # Nobody overtakes more than a picture.
        mixed = sorted(
            [*sent[3:], *sent[::4]], key=lambda packet: packet.number + chance.uniform(0, 3.5)
        )
        mixed = [sent[1], sent[0], sent[2], *mixed]
        buffer, left = PictureBuffer(), []
        for packet in mixed:
            left += buffer.add(packet, 0.0)
        assert left == [picture(number) for number in range(20)]


def test_without_a_marker_the_next_one_ends_it_or_a_while() -> None:
    sent = [
        PicturePacket(p.number, p.timestamp, False, p.data, p.begins, p.is_key) for p in packets(3)
    ]
    buffer, left = PictureBuffer(), []
    for packet in sent:
        left += buffer.add(packet, 5.0)
    assert left == [picture(0), picture(1)]
    due = buffer.due
    assert due == pytest.approx(5.1)
    assert buffer.take(5.05) == []
    assert buffer.take(5.11) == [picture(2)]
    assert buffer.due is None


@pytest.mark.parametrize("first", [0, 1])
def test_a_picture_that_comes_slowly_is_not_cut_off(first: int) -> None:
    """A keyframe that a busy sender takes long for; also as the first one of all."""
    buffer, sent = PictureBuffer(), packets(2, key_at=(0, 1))
    for packet in sent[: first * PARTS]:
        buffer.add(packet, 0.0)
    *parts, last = sent[first * PARTS : (first + 1) * PARTS]
    for now, packet in enumerate(parts, 1):
        assert buffer.add(packet, float(now)) == []
        assert buffer.due == now + TAIL_SECONDS
        assert buffer.take(now + 0.9) == []
    assert buffer.add(last, float(PARTS)) == [picture(first, (0, 1))]
    assert buffer.due is None
    assert not buffer.wants_key(9.0)


def test_who_sets_markers_again_is_waited_for_again() -> None:
    buffer, sent = PictureBuffer(), packets(4)
    marked = sent.copy()
    marked[2] = replace(sent[2], marker=False)
    for packet in marked[:5]:
        buffer.add(packet, 1.0)
    assert buffer.due == pytest.approx(1.0 + FLUSH_SECONDS)
    assert buffer.add(sent[5], 1.05) == [picture(1)]
    assert buffer.add(sent[6], 2.0) == []
    assert buffer.due == 2.0 + TAIL_SECONDS


def test_an_end_that_is_lost_with_nothing_behind_it_is_asked_for() -> None:
    buffer, sent = PictureBuffer(), packets(3, key_at=(0, 2))
    for packet in sent[: 2 * PARTS - 1]:
        buffer.add(packet, 1.0)
    assert not buffer.wants_key(1.9)
    assert buffer.take(1.0 + TAIL_SECONDS) == []
    assert buffer.wants_key(1.0 + TAIL_SECONDS)
    # A picture that stands by itself comes behind the hole.
    assert [one for packet in sent[2 * PARTS :] for one in buffer.add(packet, 2.5)] == []
    assert buffer.take(2.6) == [picture(2, (0, 2))]
    assert not buffer.wants_key(9.0)


@pytest.mark.parametrize("end", [True, False])
def test_the_last_one_is_not_kept(end: bool) -> None:
    buffer = PictureBuffer()
    sent = packets(2)
    left = [item for packet in sent[: None if end else -1] for item in buffer.add(packet, 0.0)]
    assert [*left, *buffer.flush(0.0)][1:] == [
        picture(1) if end else Picture(FRAME, picture(1).data[:-2], False)
    ]


def test_padding_and_other_types_are_no_packets_of_pictures() -> None:
    sent, out = packets(4), []
    number = 0
    for n, packet in enumerate(sent):
        out.append(
            PicturePacket(
                number, packet.timestamp, packet.marker, packet.data, packet.begins, packet.is_key
            )
        )
        number += 1
        for _ in range(n % 3):
            out.append(PicturePacket(number, packet.timestamp * (n % 2), False, b""))
            number += 1
    buffer, left = PictureBuffer(), []
    for packet in out:
        left += buffer.add(packet, 0.0)
    assert left == [picture(n) for n in range(4)]


@pytest.mark.parametrize("lost", [3, 4, 5])
def test_what_is_missing_is_waited_for(lost: int) -> None:
    sent = packets(5)
    missing = sent.pop(lost)
    buffer, left = PictureBuffer(), []
    for packet in sent:
        left += buffer.add(packet, 1.0)
    assert left == [picture(0)]
    assert not buffer.wants_key(1.1)
    assert buffer.wants_key(1.2)
    assert buffer.add(missing, 1.3) == [picture(n) for n in range(1, 5)]
    assert not buffer.wants_key(9.0)


def test_it_goes_on_with_a_picture_that_needs_nothing() -> None:
    sent = packets(8, key_at=(0, 5))
    del sent[4]
    buffer, left = PictureBuffer(), []
    for n, packet in enumerate(sent):
        left += buffer.add(packet, n / 1000)
    assert left == [picture(0)]
    assert buffer.due is not None
    assert buffer.take(1.0) == [picture(n, (0, 5)) for n in (5, 6, 7)]
    assert not buffer.waits_for_key


def test_one_that_needs_what_is_lost_is_left_out_until_there_is_no_hope() -> None:
    sent = packets(40)
    del sent[4]
    buffer, left = PictureBuffer(), []
    for n, packet in enumerate(sent[:59]):
        left += buffer.add(packet, n / 1000)
    now = 0.06
    while (due := buffer.due) is not None and due < 10:
        assert due > now
        now = due
        left += buffer.take(now)
    # A sender that makes no other one mends it bit by bit.
    assert left == [picture(n) for n in range(20) if n != 1]
    assert now == pytest.approx(3.0, abs=0.1)


def test_a_beginning_in_the_middle_waits_for_a_key() -> None:
    sent = packets(8, key_at=(0, 5))[4:]
    buffer, left = PictureBuffer(), []
    for packet in sent:
        left += buffer.add(packet, 0.0)
        if packet.timestamp < 5 * FRAME:
            assert buffer.wants_key(0.0)
    assert left == [picture(n, (0, 5)) for n in (5, 6, 7)]


def test_another_source_and_a_broken_packet() -> None:
    buffer, left = PictureBuffer(), []
    for packet in [*packets(2)[:-1], *packets(3, first=1 << 20)]:
        left += buffer.add(packet, 0.0)
    assert left == [picture(0), *[picture(n) for n in range(3)]]
    broken = packets(4, first=(1 << 20) + 9, key_at=(2,))
    broken[1] = PicturePacket(broken[1].number, 0, False, b"", is_broken=True)
    left = []
    for packet in broken:
        left += buffer.add(packet, 0.0)
    assert left == [picture(n, (2,)) for n in (2, 3)]


def test_a_buffer_has_a_bound() -> None:
    buffer = PictureBuffer()
    for number in range(20_000):
        buffer.add(PicturePacket(2 * number, number * FRAME, False, b"x", True), 0.0)
        assert len(buffer._packets) <= 4097


def test_a_burst_is_thinned_to_ten_a_second() -> None:
    given: list[int] = []
    decoding = PictureDecoding(lambda frame: given.append(frame.pts or 0), lambda: None)
    times = [n * 3000 for n in range(30)]
    decoding._waiting.extend(EncodedPicture(VP8, time, b"") for time in times)
    for time in times:
        decoding._waiting.popleft()
        frame = VideoFrame(16, 16)
        frame.pts = time
        decoding._give_in_order(frame)
    assert len(given) < 20
    assert {after - before for before, after in pairwise(given)} <= {3000, 6000, 9000}
    # The last ones are late by less.
    assert given[-5:] == times[-5:]


# NACK


def test_what_is_missing_is_asked_for_once_a_round_trip() -> None:
    requests = RetransmissionRequests()
    assert requests.receive(10, 0.0) == []
    assert requests.receive(13, 1.0) == [11, 12]
    assert requests.due == pytest.approx(1.1)
    assert requests.take(1.05) == []
    assert requests.receive(11, 1.05) == []
    # A round trip is 50 ms, as it seems.
    due = requests.due
    assert due is not None
    assert 1.05 < due <= 1.16
    asked = [1.0]
    while (due := requests.due) is not None:
        assert requests.take(due - 0.001) == []
        assert requests.take(due) == [12]
        asked.append(due)
    assert len(asked) == 10
    assert asked[-1] < 2.5


def test_the_round_trip_is_found() -> None:
    requests = RetransmissionRequests()
    requests.receive(0, 0.0)
    for number in range(2, 100, 2):
        now = number / 10
        assert requests.receive(number, now) == [number - 1]
        requests.receive(number - 1, now + 0.05)
    assert requests.interval == pytest.approx(0.06, abs=0.005)
    assert requests.due is None


def test_nobody_asks_for_what_nobody_waits_for() -> None:
    requests = RetransmissionRequests()
    requests.receive(0, 0.0)
    assert requests.receive(10, 0.0) == list(range(1, 10))
    requests.forget_before(8)
    assert requests.take(0.2) == [8, 9]
    # Nor for so much that it would be another picture's time.
    assert requests.receive(5000, 0.3) == []
    assert requests.due is None
    # One that is late is none that is missing.
    assert requests.receive(4999, 0.4) == []


def test_a_key_is_asked_for_once_and_again() -> None:
    keys = KeyframeRequests()
    assert keys.due is None
    assert keys.want(1.0)
    assert not keys.want(1.1)
    times: list[float] = []
    for _ in range(8):
        due = keys.due
        assert due is not None
        assert keys.want(due)
        times.append(due)
    assert times[0] == pytest.approx(1.3)
    assert times[-1] - times[-2] == 2.0
    keys.settle()
    assert keys.due is None
    assert not keys.want(times[-1] + 0.1)
    keys.arrive()
    assert keys.want(times[-1] + 0.2)
    assert keys.due == pytest.approx(times[-1] + 0.5)


# Packets


@pytest.mark.parametrize(
    ("codec", "payload", "found"),
    [
        ("VP8", b"\x10\x00key", (b"\x00key", True, True)),
        ("VP8", b"\x10\x01delta", (b"\x01delta", True, False)),
        ("VP8", b"\x00\x00rest", (b"\x00rest", False, False)),
        ("VP8", b"\x90\x80\x81\x23\x00key", (b"\x00key", True, True)),
        ("H264", b"\x65slice", (b"\0\0\0\1\x65slice", True, True)),
        ("H264", b"\x41slice", (b"\0\0\0\1\x41slice", True, False)),
        ("H264", b"\x67sps", (b"\0\0\0\1\x67sps", True, True)),
        ("H264", b"\x7c\x85start", (b"\0\0\0\1\x65start", True, True)),
        ("H264", b"\x7c\x05middle", (b"middle", False, False)),
        ("H264", b"\x7c\x81start", (b"\0\0\0\1\x61start", True, False)),
        (
            "H264",
            b"\x78\x00\x03\x67ab\x00\x02\x68c",
            (b"\0\0\0\1\x67ab\0\0\0\1\x68c", True, True),
        ),
    ],
)
def test_what_a_packet_says(codec: str, payload: bytes, found: tuple[bytes, bool, bool]) -> None:
    assert parse(codec, payload) == found


@pytest.mark.parametrize(
    ("codec", "payload"), [("VP8", b""), ("VP8", b"\x90"), ("H264", b"\x7c"), ("H264", b"\x1e\0")]
)
def test_what_cannot_be_read(codec: str, payload: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        parse(codec, payload)


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        (b"\x41\x9a\x00", False),  # 1 00110: slice 0 of type 5, P
        (b"\x01\x9e\x00", True),  # 1 00111: of type 6, B
        (b"\x01\xa8\x00", True),  # 1 010: of type 1, B
        (b"\x01\x4c\x00", False),  # 010 011: slice 1 of type 2, I
        (b"\x65\xa8\x00", False),
        (b"\x67\xa8\x00", False),
        (b"\x01", False),
    ],
)
def test_pictures_in_decoding_order_are_known(header: bytes, answer: bool) -> None:
    assert may_precede("H264", b"\0\0\0\1\x09\xf0\0\0\0\1" + header) is answer
    assert not may_precede("VP8", b"\0\0\0\1" + header)
