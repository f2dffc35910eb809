"""The receive buffers and the clock of a track at their limits: to the packet, and to the tick."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.backend.media.receiving.pictures.frame_size import BadPicture, _Bits
from trio_rtc.rtc.backend.media.receiving.pictures.picture_buffer import (
    KEY_SECONDS,
    PATIENCE_SECONDS,
    SKIP_SECONDS,
    TAIL_SECONDS,
    PictureBuffer,
    PicturePacket,
)
from trio_rtc.rtc.backend.media.receiving.sound.playout import (
    MOST_PACKETS,
    Concealment,
    PlayoutBuffer,
    SoundPacket,
)
from trio_rtc.rtc.backend.media.receiving.stream_clock import StreamClock
from trio_rtc.rtc.backend.media.receiving.timeline import PeerTimeline

from .test_receiving_edges import begun, part

SOUND = 48_000
VIDEO = 90_000
LENGTH = 960


def test_a_number_of_a_parameter_set_has_32_bits() -> None:
    number = (1 << 32) + 4
    # As many zeros before it as it has bits behind its first one.
    assert _Bits(((number + 1) << 7).to_bytes(9)).exp_golomb() == number
    for too_long in (((number + 1) << 7).to_bytes(10), bytes(10)):
        with pytest.raises(BadPicture, match="cut off"):
            _Bits(too_long + bytes(10)).exp_golomb()


def test_the_last_bit_of_a_parameter_set_is_one_of_it() -> None:
    bits = _Bits(b"\xa5")
    assert [bits.number(5), bits.number(3)] == [0b10100, 0b101]
    with pytest.raises(BadPicture, match="cut off"):
        bits.number(1)


# Pictures


def test_what_was_missing_and_comes_is_missing_no_more() -> None:
    buffer = begun()
    buffer.add(part(3, 10), 1.0)
    assert buffer.due == 1.0 + SKIP_SECONDS
    # Now all is there but the end: it is waited for as if nothing had been missing.
    assert buffer.add(part(2, 10), 1.05) == []
    assert buffer.due == 1.05 + TAIL_SECONDS
    assert not buffer.wants_key(1.0 + KEY_SECONDS)


def test_the_next_hole_has_its_own_time() -> None:
    buffer = begun()
    # 2 and 4 are missing.
    buffer.add(part(3, 10, marker=True), 1.0)
    buffer.add(part(5, 20, marker=True), 1.0)
    assert [one.timestamp for one in buffer.add(part(2, 10), 1.05)] == [10]
    assert not buffer.wants_key(1.0 + KEY_SECONDS)
    assert buffer.wants_key(1.05 + KEY_SECONDS)


def test_after_patience_it_goes_on_behind_all_that_came_of_a_picture() -> None:
    buffer = begun()
    for number in (2, 4, 5):
        buffer.add(part(number, 10), 1.0)
    buffer.take(1.0 + PATIENCE_SECONDS)
    assert buffer.begins_at == 6


def test_a_key_picture_is_no_part_of_the_broken_one_before_it() -> None:
    buffer = begun()
    # 2 is lost, with which the picture of 3 begins.
    rest = PicturePacket(3, 10, marker=False, data=b"rest")
    for one in (rest, part(4, 20, key=True), part(5, 20, marker=True)):
        assert buffer.add(one, 1.0) == []
    assert [one.timestamp for one in buffer.take(1.0 + SKIP_SECONDS)] == [20]


def test_of_another_source_the_first_may_come_second() -> None:
    buffer = begun()
    far = 1_000_000
    assert buffer.add(part(far + 1, 7), 1.0) == []
    assert buffer.add(part(far, 7, key=True), 1.0) == []
    pictures = buffer.add(part(far + 2, 7, marker=True), 1.0)
    assert [one.timestamp for one in pictures] == [7]
    assert len(pictures[0].data) == 3


def test_it_keeps_nothing_of_the_source_before() -> None:
    buffer = PictureBuffer()
    for number in (5000, 5002):
        buffer.add(part(number, 10), 0.0)
    # Lower numbers, so that what was kept would be behind what comes.
    buffer.add(part(100, 7, marker=True, key=True), 1.0)
    assert buffer.begins_at == 101
    assert buffer.due is None


# Sound


def sound(number: int, time: int) -> SoundPacket:
    return SoundPacket(number, time, LENGTH, b"sound")


def begun_sound() -> PlayoutBuffer:
    """One that has played a packet, up to tick 960."""
    buffer = PlayoutBuffer(SOUND)
    buffer.add(sound(0, 0), 0.0)
    assert buffer.take(1.0) == [sound(0, 0)]
    return buffer


def test_it_keeps_so_many_packets_and_no_more() -> None:
    buffer = PlayoutBuffer(SOUND)
    for number in range(MOST_PACKETS):
        assert buffer.add(sound(number, number * LENGTH), 0.0) == []
    last = sound(MOST_PACKETS, MOST_PACKETS * LENGTH)
    assert len(buffer.add(last, 0.0)) == MOST_PACKETS + 1
    assert buffer.due is None


def test_what_was_no_sound_before_any_came_is_forgotten() -> None:
    buffer = PlayoutBuffer(SOUND)
    buffer.skip(1)
    buffer.add(sound(0, 0), 0.0)
    buffer.add(sound(2, 2 * LENGTH), 0.04)
    assert buffer.take(1.0) == [
        sound(0, 0),
        Concealment(LENGTH, LENGTH, sound(2, 2 * LENGTH)),
        sound(2, 2 * LENGTH),
    ]


def test_where_no_packet_is_missing_the_sender_has_paused() -> None:
    buffer = begun_sound()
    buffer.skip(1)
    buffer.add(sound(2, 2 * LENGTH), 0.04)
    assert buffer.take(1.0) == [sound(2, 2 * LENGTH)]


@pytest.mark.parametrize("gap", [LENGTH // 2, LENGTH // 2 + 1])
def test_less_than_half_a_packet_is_no_loss(gap: int) -> None:
    buffer = begun_sound()
    later = sound(2, LENGTH + gap)
    buffer.add(later, 0.04)
    concealed = [] if gap == LENGTH // 2 else [Concealment(LENGTH, gap, later)]
    assert buffer.take(1.0) == [*concealed, later]


# Times


def clocked(*, is_sound: bool = True) -> StreamClock:
    return StreamClock(PeerTimeline(), SOUND if is_sound else VIDEO, is_sound=is_sound)


@pytest.mark.parametrize("count", [1, 3])
def test_sound_does_not_begin_in_the_middle_of_what_was_before(count: int) -> None:
    clock = clocked()
    for n in range(count):
        assert clock.map(1, n, n * LENGTH, n * 0.02, length=LENGTH) == n * LENGTH
    half = count * LENGTH - LENGTH // 2
    assert clock.map(1, count, half, count * 0.02, length=LENGTH) == count * LENGTH


def test_what_is_lost_where_a_clock_leaps_has_its_length() -> None:
    clock = clocked()
    for n in range(3):
        clock.map(1, n, n * LENGTH, n * 0.02, length=LENGTH)
    # 3 and 4 are lost, and 5 has a clock of another time.
    leapt = 5 * LENGTH - 10_000_000
    assert clock.map(1, 5, leapt, 0.1, length=LENGTH) == 5 * LENGTH


def test_a_packet_of_before_a_leap_that_comes_after_it() -> None:
    clock = clocked()
    for n in (0, 1, 2, 4):
        timestamp = n * LENGTH + (1_000_000 if n == 4 else 0)
        clock.map(1, n, timestamp, n * 0.02, length=LENGTH)
    assert clock.map(1, 3, 3 * LENGTH, 0.09, length=LENGTH) == 3 * LENGTH


@pytest.mark.parametrize(
    ("is_sound", "second", "laid"),
    # Half the overlap that senders' rounding makes; and half the time between two pictures.
    [(True, LENGTH, LENGTH - 120), (False, 3000, 1500)],
)
def test_how_much_earlier_a_clock_that_drifts_lays_what_comes(
    is_sound: bool, second: int, laid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clocked(is_sound=is_sound)
    length = LENGTH if is_sound else 0
    clock.map(1, 0, 0, 0.0, length=length)
    monkeypatch.setattr(clock._drift, "follow", lambda lateness, now: -0.02)
    assert clock.map(1, 1, second, 0.02, length=length) == laid


def test_another_codec_goes_on_behind_the_one_before() -> None:
    timeline = PeerTimeline()
    before = StreamClock(timeline, SOUND, is_sound=True)
    before.map(1, 0, 0, 0.0, length=LENGTH + 1)
    before.report(2, 1 << 40, 0, 0.0)
    after = StreamClock(timeline, 8000, is_sound=True)
    after.go_on_from(before)
    # 961 ticks of 48 kHz are 160 of 8 kHz, and a part of one; so soon there is no gap.
    assert after.map(2, 1, 77, 0.03, length=160) == 161
    assert after.map(2, 2, 77 + 160, 0.05, length=160) == 321
    # The one before leads no more, and the report that was for its next source is this one's.
    assert timeline._leader is after


def test_another_codec_where_nothing_had_come() -> None:
    timeline = PeerTimeline()
    after = StreamClock(timeline, 8000, is_sound=True)
    after.go_on_from(StreamClock(timeline, SOUND, is_sound=True))
    assert after.map(1, 0, 77, 5.0, length=160) == 0
