"""The receive buffer of sound, with exact times."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest

from trio_rtc.rtc.backend.media.receiving.sequence import SequenceNumbers, signed_difference
from trio_rtc.rtc.backend.media.receiving.sound.delay import LONGEST, QUIET
from trio_rtc.rtc.backend.media.receiving.sound.playout import (
    Concealment,
    PlayoutBuffer,
    SoundPacket,
)

RATE = 48_000
LENGTH = 960
STEP = 0.02

Played = SoundPacket | Concealment


def packet(number: int, *, pause: int = 0, payload: bytes = b"sound") -> SoundPacket:
    return SoundPacket(number, (number + pause) * LENGTH, LENGTH, payload)


def play(
    arrivals: Iterable[tuple[float, SoundPacket]], until: float = 10.0
) -> list[tuple[float, Played]]:
    """What is played of packets that come then, and when."""
    buffer = PlayoutBuffer(RATE)
    played: list[tuple[float, Played]] = []

    def play_until(now: float) -> None:
        while (due := buffer.due) is not None and due <= now:
            played.extend((due, item) for item in buffer.take(due))

    for now, arrived in sorted(arrivals, key=lambda arrival: arrival[0]):
        play_until(now)
        played.extend((now, item) for item in buffer.add(arrived, now))
        played.extend((now, item) for item in buffer.take(now))
    play_until(until)
    return played


def steadily(
    numbers: Iterable[int], transit: Callable[[int], float] = lambda _: 0.05
) -> list[tuple[float, SoundPacket]]:
    return [(number * STEP + transit(number), packet(number)) for number in numbers]


def concealed(played: Iterable[tuple[float, Played]]) -> list[tuple[int, int]]:
    return [(item.time, item.length) for _, item in played if isinstance(item, Concealment)]


def delays(played: Iterable[tuple[float, Played]]) -> list[float]:
    """How long after it was made each is played."""
    return [round(now - item.time / RATE, 6) for now, item in played]


def test_a_quiet_network_takes_one_packet() -> None:
    played = play(steadily(range(300)))
    assert [item for _, item in played] == [packet(number) for number in range(300)]
    assert set(delays(played)) == {0.05 + QUIET}


def test_a_packet_that_is_lost_is_concealed_in_time_and_costs_no_delay() -> None:
    played = play(steadily(number for number in range(300) if number != 100))
    assert concealed(played) == [(100 * LENGTH, LENGTH)]
    # There is no hole, and the delay is what it was.
    assert all(a.time + a.length == b.time for (_, a), (_, b) in pairwise(played))
    assert set(delays(played)) == {0.05 + QUIET}
    [(_, concealment)] = [item for item in played if isinstance(item[1], Concealment)]
    assert isinstance(concealment, Concealment)
    assert concealment.following == packet(101)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_several_lost_in_a_row(count: int) -> None:
    played = play(steadily(n for n in range(300) if not 100 <= n < 100 + count))
    assert concealed(played) == [((100 + number) * LENGTH, LENGTH) for number in range(count)]
    followings = [item.following for _, item in played if isinstance(item, Concealment)]
    assert followings == [None] * (count - 1) + [packet(100 + count)]
    assert set(delays(played[-100:])) == {0.05 + QUIET}


def test_of_an_outage_no_more_is_made_up_than_is_heard() -> None:
    played = play(steadily(n for n in range(300) if not 100 <= n < 150))
    assert concealed(played) == [((100 + number) * LENGTH, LENGTH) for number in range(6)]
    assert set(delays(played[-100:])) == {0.05 + QUIET}


@pytest.mark.parametrize("silence", [b"", b"\xf8", b"\xf8\xff"])
def test_a_pause_of_the_sender_is_no_loss(silence: bytes) -> None:
    last = silence or b"sound"
    before = [(n * STEP, packet(n, payload=last if n == 99 else b"sound")) for n in range(100)]
    # The numbers go on, and so does the clock meanwhile.
    after = [((n + 100) * STEP, packet(n, pause=100)) for n in range(100, 200)]
    played = play(before + after)
    assert concealed(played) == []
    assert len(played) == 200
    assert set(delays(played)) == {QUIET}
    # One that is lost at the end of a pause is part of it, and no sound to be made up.
    played = play(before + after[1:])
    assert len(concealed(played)) == (0 if silence else 1)


def test_the_delay_follows_the_jitter_and_comes_back() -> None:
    chance = random.Random(1)

    def transit(number: int) -> float:
        return 0.05 + (chance.uniform(0, 0.08) if 300 <= number < 600 else 0)

    played = play(steadily(range(1200), transit), until=30)
    assert len(played) >= 1200
    found = delays(played)
    assert set(found[:300]) == {0.05 + QUIET}
    assert max(found) < 0.05 + 0.1
    assert min(found[450:600]) > 0.05 + 0.06
    assert set(found[-400:]) == {0.05 + QUIET}
    # Once the delay has followed, hardly any comes too late.
    assert len([time for time, _ in concealed(played) if time > 400 * LENGTH]) <= 6


def test_it_never_goes_above_what_is_needed() -> None:
    chance = random.Random(2)
    for jitter in (0.0, 0.005, 0.02, 0.05, 0.15):
        transits = [0.05 + chance.uniform(0, jitter) for _ in range(600)]
        found = delays(play(steadily(range(600), transits.__getitem__), until=30))
        # A packet that has come late itself is played at once, which is no delay of ours.
        assert max(found[100:]) <= 0.05 + max(QUIET, jitter + 0.003) + 0.001, jitter
    played = play(steadily(range(300), lambda n: 0.05 + (5 if n % 3 else 0)), until=90)
    assert max(delays(played)) <= 0.05 + 5 + LONGEST + 0.003


def test_one_late_packet_is_played_late_and_nothing_is_lost() -> None:
    played = play(steadily(range(100), lambda n: 0.05 + (0.3 if n >= 50 and n < 66 else 0)))
    # All that were held up came together, in order, when the network let them go.
    assert [item.time // LENGTH for _, item in played if isinstance(item, SoundPacket)] == sorted(
        item.time // LENGTH for _, item in played if isinstance(item, SoundPacket)
    )


def test_a_network_that_stops_for_a_while_loses_nothing() -> None:
    arrivals = [(max(n * STEP, 1.5 if n > 50 else 0) + n * 1e-6, packet(n)) for n in range(400)]
    played = play(arrivals)
    assert [item for _, item in played] == [packet(n) for n in range(400)]
    assert set(delays(played[-40:])) <= {round(QUIET + n * 1e-6, 6) for n in range(400)}


def test_order_and_doubles_are_mended() -> None:
    # Every second packet takes so much longer that it comes after the one behind it.
    arrivals = steadily(range(200), lambda n: 0.05 + (0.03 if n % 2 else 0))
    played = play([*arrivals, *arrivals[::7]])
    assert [item for _, item in played[20:]] == [packet(number) for number in range(20, 200)]
    # Two copies of one that is late make no delay of their own.
    assert max(delays(played)) <= 0.05 + 0.03 + 0.003


def test_a_path_that_becomes_longer_for_good() -> None:
    played = play(steadily(range(600), lambda n: 0.05 if n < 300 else 0.25), until=30)
    assert {item for _, item in played if isinstance(item, SoundPacket)} == {
        packet(number) for number in range(600)
    }
    assert set(delays(played[-100:])) == {0.25 + QUIET}


def test_what_is_no_sound_is_not_missing() -> None:
    buffer = PlayoutBuffer(RATE)
    buffer.add(packet(0), 0.0)
    assert buffer.take(1.0) == [packet(0)]
    buffer.skip(1)
    buffer.skip(3)
    later = SoundPacket(4, 2 * LENGTH, LENGTH, b"sound")
    buffer.add(SoundPacket(2, LENGTH, LENGTH, b"sound"), 0.02)
    buffer.add(later, 0.04)
    assert buffer.take(1.0) == [SoundPacket(2, LENGTH, LENGTH, b"sound"), later]


def test_another_beginning_plays_what_was_there() -> None:
    buffer = PlayoutBuffer(RATE)
    for number in range(3):
        buffer.add(packet(number), number * STEP)
    again = SoundPacket(1 << 20, 99 * LENGTH, LENGTH, b"sound")
    assert buffer.add(again, 0.06) == [packet(number) for number in range(3)]
    assert buffer.take(9.0) == [again]


def test_the_end_plays_what_is_left() -> None:
    buffer = PlayoutBuffer(RATE)
    for number in (0, 1, 3):
        buffer.add(packet(number), number * STEP)
    assert buffer.flush() == [
        packet(0),
        packet(1),
        Concealment(2 * LENGTH, LENGTH, packet(3)),
        packet(3),
    ]
    assert buffer.due is None


def test_what_comes_after_all_was_played_is_over() -> None:
    """As a packet that a goodbye has overtaken: what was made up for it has been heard."""
    buffer = PlayoutBuffer(RATE)
    for number in (0, 1, 3):
        buffer.add(packet(number), number * STEP)
    assert len(buffer.flush()) == 4
    for number in (2, 3, 0):
        assert buffer.add(packet(number), 0.09) == []
    assert buffer.due is None
    buffer.add(packet(4), 0.1)
    assert buffer.take(1.0) == [packet(4)]


def test_what_is_late_by_many_seconds_is_no_other_beginning() -> None:
    buffer = PlayoutBuffer(RATE)
    for number in range(600):
        buffer.add(packet(number), number * STEP)
        buffer.take(number * STEP - 0.001)
    assert buffer.add(packet(20), 12.0) == []
    assert buffer.take(13.0) == [packet(598), packet(599)]


def test_a_buffer_has_a_bound() -> None:
    buffer = PlayoutBuffer(RATE)
    kept = 2000
    for number in range(2000):
        kept -= len(buffer.add(packet(number), 0.0))
    assert kept <= 500


@pytest.mark.parametrize(
    ("new", "old", "bits", "step"),
    [
        (1, 0xFFFF, 16, 2),
        (0xFFFF, 1, 16, -2),
        (0, 0xFFFF_FFFF, 32, 1),
        (0xFFFF_FFF0, 0x10, 32, -32),
        (0x7FFF_FFFF, 0, 32, 0x7FFF_FFFF),
        (0x8000_0001, 0, 32, -0x7FFF_FFFF),
    ],
)
def test_differences_have_a_sign(new: int, old: int, bits: int, step: int) -> None:
    assert signed_difference(new, old, bits) == step


def test_numbers_count_on_where_they_wrap() -> None:
    numbers = SequenceNumbers()
    assert [numbers.unwrap(n) for n in (65_534, 65_535, 1, 0, 65_533, 2)] == [
        65_534, 65_535, 65_537, 65_536, 65_533, 65_538,
    ]  # fmt: skip
    for number in range(66_000, 400_000, 1000):
        assert numbers.unwrap(number & 0xFFFF) == number


def test_numbers_that_begin_again_are_believed_at_the_second() -> None:
    numbers = SequenceNumbers()
    assert numbers.unwrap(100) == 100
    assert numbers.unwrap(30_000) is None
    assert numbers.unwrap(101) == 101
    assert numbers.unwrap(30_000) is None
    again = numbers.unwrap(30_001)
    assert again is not None
    assert again > 1_000_000
    assert numbers.unwrap(30_002) == again + 1
