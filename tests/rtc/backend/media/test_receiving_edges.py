"""The machines of received media at their limits: to the packet, and to the moment."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.backend.media.receiving.drift import (
    FASTEST,
    INTEGRAL,
    PROPORTIONAL,
    STEP_SECONDS,
    STILL_SECONDS,
    WINDOW_SECONDS,
    Drift,
)
from trio_rtc.rtc.backend.media.receiving.minimum import RecentMinimum
from trio_rtc.rtc.backend.media.receiving.nack import (
    FIRST_ROUND_TRIP,
    MOST_MISSING,
    SHORTEST,
    TRIES,
    RetransmissionRequests,
)
from trio_rtc.rtc.backend.media.receiving.pictures.frame_size import _Bits, _skip_formats
from trio_rtc.rtc.backend.media.receiving.pictures.keyframes import (
    FIRST_SECONDS,
    GROWTH,
    LONGEST_SECONDS,
    KeyframeRequests,
)
from trio_rtc.rtc.backend.media.receiving.pictures.picture_buffer import (
    PATIENCE_SECONDS,
    SKIP_SECONDS,
    PictureBuffer,
    PicturePacket,
)
from trio_rtc.rtc.backend.media.receiving.pictures.picture_packets import (
    _slice_type,
    _unit_types,
    may_precede,
)
from trio_rtc.rtc.backend.media.receiving.sequence import (
    MAX_DROPOUT,
    MAX_MISORDER,
    RESTART,
    SequenceNumbers,
)
from trio_rtc.rtc.backend.media.receiving.sound.delay import LATE, MARGIN, PACKETS, PlayoutDelay

from .test_frame_size import Bits


def test_a_minimum_is_of_one_to_two_windows() -> None:
    lately = RecentMinimum(5.0)
    lately.add(1.0, 0.0)
    lately.add(3.0, 4.9)
    assert lately.value == 1.0
    lately.add(2.0, 5.0)
    assert lately.value == 1.0
    lately.shift(0.5)
    assert lately.value == 1.5
    # What is of the window before is shifted as well, and then it is over.
    lately.add(7.0, 9.9)
    assert lately.value == 1.5
    lately.add(9.0, 10.0)
    assert lately.value == 2.5


def test_what_is_asked_for_again_after_a_round_trip() -> None:
    requests = RetransmissionRequests()
    assert requests.receive(1, 0.0) == []
    assert requests.due is None
    assert requests.receive(4, 0.0) == [2, 3]
    assert requests.interval == FIRST_ROUND_TRIP
    assert requests.due == FIRST_ROUND_TRIP
    assert requests.receive(2, 0.2) == []
    # RFC 6298, section 2: the first variation is a half, then a quarter counts, and an eighth.
    assert requests.interval == pytest.approx(0.2 + 4 * 0.1)
    requests.receive(3, 0.4)
    assert requests.interval == pytest.approx(0.225 + 4 * 0.125)
    assert requests.receive(6, 1.0) == [5]
    assert requests.take(1.72) == []
    assert requests.take(1.725) == [5]
    # What was asked for twice tells of no round trip.
    requests.receive(5, 1.73)
    assert requests.interval == pytest.approx(0.725)


def test_a_steady_path_is_given_a_margin() -> None:
    requests = RetransmissionRequests()
    requests.receive(0, 0.0)
    for number in range(2, 200, 2):
        assert requests.receive(number, number) == [number - 1]
        requests.receive(number - 1, number + 0.05)
    assert requests.interval == pytest.approx(0.05 + SHORTEST)


def test_a_packet_is_asked_for_so_often() -> None:
    requests = RetransmissionRequests()
    requests.receive(0, 0.0)
    asked = len(requests.receive(2, 0.0))
    while (due := requests.due) is not None:
        asked += len(requests.take(due + 0.001))
    assert asked == TRIES
    assert requests.take(1e9) == []


def test_where_too_much_is_missing_nothing_is_asked_for() -> None:
    requests = RetransmissionRequests()
    requests.receive(0, 0.0)
    assert len(requests.receive(MOST_MISSING, 0.0)) == MOST_MISSING - 1
    assert requests.receive(MOST_MISSING + 2, 0.0) == [MOST_MISSING + 1]
    assert requests.receive(MOST_MISSING + 4, 0.0) == []
    assert requests.due is None
    assert requests.receive(2 * MOST_MISSING + 4, 0.0) == list(
        range(MOST_MISSING + 5, 2 * MOST_MISSING + 4)
    )
    assert requests.receive(3 * MOST_MISSING + 5, 0.0) == []
    assert requests.receive(3 * MOST_MISSING + 7, 0.0) == [3 * MOST_MISSING + 6]


def test_keyframes_are_asked_for_less_and_less_often() -> None:
    requests = KeyframeRequests()
    assert requests.due is None
    now = 0.0
    waits: list[float] = []
    assert requests.want(now) is True
    for _ in range(8):
        due = requests.due
        assert due is not None
        assert requests.want(due - 0.001) is False
        waits.append(due - now)
        now = due
        assert requests.want(now) is True
    grown = [min(FIRST_SECONDS * GROWTH**times, LONGEST_SECONDS) for times in range(8)]
    assert waits == pytest.approx(grown)
    requests.settle()
    assert requests.due is None
    # It is none too soon when another is missing: the last request may be answered still.
    assert requests.want(now + 0.1) is False
    assert requests.due == pytest.approx(now + LONGEST_SECONDS)
    requests.arrive()
    assert requests.due is None
    assert requests.want(now + 0.2) is True
    assert requests.due == pytest.approx(now + 0.2 + FIRST_SECONDS)


def test_how_far_a_sequence_number_may_be_off() -> None:
    for step, believed in (
        (MAX_DROPOUT - 1, True),
        (MAX_DROPOUT, False),
        (1 - MAX_MISORDER, True),
        (-MAX_MISORDER, False),
    ):
        numbers = SequenceNumbers()
        assert numbers.step(5) == 1
        assert numbers.unwrap(5000) == 5000
        assert numbers.step(5000 + step) == step
        assert numbers.unwrap(5000 + step) == (5000 + step if believed else None)


def test_a_source_that_begins_again_where_numbers_wrap() -> None:
    numbers = SequenceNumbers()
    numbers.unwrap(20_000)
    assert numbers.unwrap(0xFFFF) is None
    assert numbers.unwrap(0) == RESTART
    assert numbers.unwrap(1) == RESTART + 1
    # One alone may be anything.
    assert numbers.unwrap(30_000) is None
    assert numbers.unwrap(40_000) is None
    assert numbers.unwrap(30_001) is None
    assert numbers.unwrap(50_000) is None
    assert numbers.unwrap(50_001) == (2 * RESTART) | 50_001
    # The lowest bit is of the new number, too, and not of the one before.
    assert numbers.unwrap(9) is None
    assert numbers.unwrap(10) == (3 * RESTART) | 10


def test_the_delay_is_of_the_last_packets() -> None:
    delay = PlayoutDelay()
    for number in range(LATE + 1):
        delay.observe(number * 0.02, number * 0.02 + 0.1)
    late = 0.3
    for number in range(LATE + 1):
        delay.observe(0.2 + number * 0.02, 0.2 + number * 0.02 + 0.1 + late)
    assert delay.target == pytest.approx(late + MARGIN)
    assert delay.due(1.0) == pytest.approx(1.0 + 0.1 + late + MARGIN)
    for number in range(PACKETS - LATE):
        assert delay.target == pytest.approx(late + MARGIN)
        delay.observe(0.4 + number * 0.02, 0.4 + number * 0.02 + 0.1)
    # Of those that are looked back on, only so many are late still.
    assert delay.target < late


def lateness(drift: Drift, value: float, now: float, seconds: float) -> float:
    """Packets of the same lateness, ten a second; what they are laid later in all."""
    laid = 0.0
    for number in range(round(seconds * 10)):
        laid += drift.follow(value - laid, now + number / 10)
    return laid


def test_a_drift_is_followed_as_the_controller_says() -> None:
    drift = Drift()
    assert lateness(drift, 0.05, 100.0, 30.0) == 0.0
    # As if a second's worth of drift had shown at once; below that it is left alone.
    off = 0.02
    later = [drift.follow(0.05 + off, 130.0 + number / 10) for number in range(99)]
    assert later[:50] == [0.0] * 50
    first = next(value for value in later if value)
    assert first == pytest.approx(min(PROPORTIONAL * off, FASTEST) * 0.1)
    pace = INTEGRAL * off * 0.1
    assert drift._pace == pytest.approx(pace * sum(1 for value in later if value), rel=0.2)
    still = Drift()
    lateness(still, 0.05, 0.0, 20.0)
    assert [still.follow(0.05 + 0.9 * STILL_SECONDS, 20.0 + n / 10) for n in range(200)] == [
        0.0
    ] * 200


def test_what_came_before_a_pause_tells_nothing() -> None:
    drift = Drift()
    lateness(drift, 0.05, 0.0, 20.0)
    # Less than a step, and more than is left alone: after a pause it counts at once.
    off = STEP_SECONDS / 2
    assert drift.follow(0.05 + off, 20.0 + 2 * WINDOW_SECONDS) == pytest.approx(FASTEST)
    # A clock of ours that stands still, or a packet of the same moment, moves nothing.
    assert drift.follow(0.05 + off, 20.0 + 2 * WINDOW_SECONDS) == 0.0
    assert drift.follow(0.05 + off, 20.0) == 0.0
    assert drift._last == 20.0 + 2 * WINDOW_SECONDS


def test_a_window_is_over_when_it_is() -> None:
    off = STEP_SECONDS / 2
    for pause, correction in ((WINDOW_SECONDS, 0.0), (WINDOW_SECONDS + 1, FASTEST)):
        drift = Drift()
        for second in range(21):
            assert drift.follow(0.0625, second) == 0.0
        assert drift.follow(0.0625 + off, 20 + pause) == pytest.approx(correction)


def test_what_a_clock_was_slow_by_is_no_lateness() -> None:
    drift = Drift()
    for second in range(21):
        drift.follow(0.0625, second)
    drift._pace = FASTEST
    # What its pace explains of a pause: nothing is to be corrected.
    on_pace = FASTEST * 8
    assert drift.follow(0.0625 + on_pace, 28) == pytest.approx(on_pace)


def test_units_of_h264_in_one_packet() -> None:
    assert _unit_types(bytes([0x65, 0])) == {5}
    assert _unit_types(bytes([0x7C, 0x85, 0])) == {5}
    assert _unit_types(bytes([0x7C, 0x05, 0])) == set()
    assert _unit_types(bytes([0x78, 0, 2, 0x67, 1, 0, 1, 0x68])) == {7, 8}
    # Cut off behind a length.
    assert _unit_types(bytes([0x78, 0, 2, 0x67, 1, 0, 1])) == {7}


def test_pictures_that_may_be_shown_before_others() -> None:
    # The first number of a slice header is 0, the second its type: 1 or 6 are of B slices.
    b, p = bytes([0b1_010_0000]), bytes([0b1_1_000000])
    assert may_precede("H264", b"\0\0\1\x01" + b + b"\0")
    assert not may_precede("H264", b"\0\0\1\x01" + p + b"\0")
    assert not may_precede("VP8", b"\0\0\1\x01" + b + b"\0")
    assert may_precede("H264", b"\0\0\0\1\x09\x10\0\0\1\x01" + b)
    assert not may_precede("H264", b"\0\0\1\x65" + b + b"\0\0\1\x01" + b)
    # Behind a unit with nothing in it.
    assert may_precede("H264", b"\0\0\1\0\0\1\x01" + b)
    assert not may_precede("H264", b"\0\0\1\x09\0\0\1\x01")
    assert not may_precede("H264", b"")


@pytest.mark.parametrize(
    ("chroma_format", "lists"),
    [(0, None), (1, [False] * 8), (1, [True] * 8), (3, [True] * 12), (3, [False, True] * 6)],
)
def test_formats_are_passed_over_to_the_bit(chroma_format: int, lists: list[bool] | None) -> None:
    bits = Bits().exp_golomb(chroma_format)
    if chroma_format == 3:
        bits.number(0, 1)
    bits.exp_golomb(0, 0).number(0, 1).number(lists is not None, 1)
    for index, is_told in enumerate(lists or []):
        bits.number(is_told, 1)
        if is_told:
            # Differences of 1 and -1 in turns, so that none of the values is 0.
            bits.exp_golomb(*([1, 2] * (8 if index < 6 else 32)))
    # A list that ends early: 8 - 8 is 0.
    bits.exp_golomb(41)
    read = _Bits(bytes(bits))
    _skip_formats(read)
    assert read.exp_golomb() == 41


def test_a_scaling_list_ends_where_a_value_is_0() -> None:
    bits = Bits().exp_golomb(1, 0, 0).number(0, 1).number(1, 1).number(1, 1).exp_golomb(16)
    for _ in range(7):
        bits.number(0, 1)
    bits.exp_golomb(41)
    read = _Bits(bytes(bits))
    _skip_formats(read)
    assert read.exp_golomb() == 41


@pytest.mark.parametrize("number", [*range(-5, 6), 1000, -1000])
def test_signed_numbers(number: int) -> None:
    code = 2 * number - 1 if number > 0 else -2 * number
    assert _Bits(bytes(Bits().exp_golomb(code))).signed_exp_golomb() == number


def packet(number: int, timestamp: int, *, marker: bool, is_key: bool = False) -> PicturePacket:
    return PicturePacket(
        number=number,
        timestamp=timestamp,
        marker=marker,
        data=bytes([number % 256]),
        begins=True,
        is_key=is_key,
    )


def test_nothing_is_waited_for_behind_what_has_come() -> None:
    buffer = PictureBuffer()
    assert buffer.begins_at == 0
    assert len(buffer.add(packet(1, 0, marker=True, is_key=True), 0.0)) == 1
    assert buffer.begins_at == 2
    # 3 is missing what is before it, and then 2 comes.
    assert buffer.add(packet(3, 9, marker=True), 1.0) == []
    assert buffer.due is not None
    assert [p.timestamp for p in buffer.add(packet(2, 5, marker=True), 1.01)] == [5, 9]
    assert buffer.due is None
    assert not buffer.wants_key(100.0)


def part(number: int, timestamp: int, *, marker: bool = False, key: bool = False) -> PicturePacket:
    return PicturePacket(
        number=number,
        timestamp=timestamp,
        marker=marker,
        data=bytes([number % 256]),
        begins=marker is False,
        is_key=key,
    )


def begun() -> PictureBuffer:
    """One that has had a picture of a packet."""
    buffer = PictureBuffer()
    assert len(buffer.add(packet(1, 0, marker=True, is_key=True), 0.0)) == 1
    return buffer


def test_a_key_picture_behind_a_loss_is_found_at_its_first_packet() -> None:
    buffer = begun()
    # 2 is lost. The picture of 3 and 4 is none that stands by itself; that of 5 to 7 is, and its
    # second packet is the one that says so.
    for one in (part(3, 10), part(4, 10, marker=True), part(5, 20), part(6, 20, key=True)):
        assert buffer.add(one, 1.0) == []
    assert buffer.add(part(7, 20, marker=True), 1.0) == []
    pictures = buffer.take(1.0 + SKIP_SECONDS)
    assert [(one.timestamp, one.data) for one in pictures] == [(20, bytes([5, 6, 7]))]
    assert buffer.due is None


def test_a_key_picture_is_complete_when_another_has_begun() -> None:
    buffer = begun()
    for one in (part(3, 10, key=True), part(4, 10)):
        buffer.add(one, 1.0)
    assert buffer.take(1.0 + SKIP_SECONDS) == []
    pictures = buffer.add(part(5, 20), 1.0 + SKIP_SECONDS)
    assert [one.timestamp for one in pictures] == [10]


def test_after_patience_it_goes_on_behind_what_is_broken() -> None:
    buffer = begun()
    # The second of three packets is missing; what is behind the picture is decoded all the same.
    buffer.add(part(2, 10), 1.0)
    buffer.add(part(4, 10, marker=True), 1.0)
    assert buffer.take(1.0 + PATIENCE_SECONDS - 0.001) == []
    buffer.take(1.0 + PATIENCE_SECONDS)
    assert buffer.begins_at == 5
    assert buffer.due is None
    later = 1.0 + PATIENCE_SECONDS
    assert [one.timestamp for one in buffer.add(packet(5, 20, marker=True), later)] == [20]


def test_another_source_begins_behind_all_that_came() -> None:
    buffer = begun()
    buffer.add(part(3, 10), 1.0)
    far = 1_000_000
    assert len(buffer.add(packet(far, 0, marker=True, is_key=True), 1.0)) == 1
    assert buffer.begins_at == far + 1
    # What the first of it is: others may still come before it.
    assert buffer.due is None


def test_keyframes_settled_before_any_was_asked_for() -> None:
    requests = KeyframeRequests()
    requests.settle()
    assert requests.due is None
    assert requests.want(1.0) is True
    requests.arrive()
    requests.settle()
    assert requests.due is None


@pytest.mark.parametrize("kind", range(10))
@pytest.mark.parametrize("first", ["1", "010", "00111"])
def test_the_type_of_a_slice_is_its_second_number(first: str, kind: int) -> None:
    """In Exp-Golomb code (H.264, section 9.1): as many zeros as digits follow the first."""
    digits = f"{kind + 1:b}"
    bits = first + "0" * (len(digits) - 1) + digits
    assert _slice_type(int(bits.ljust(64, "0"), 2).to_bytes(8)) == kind
