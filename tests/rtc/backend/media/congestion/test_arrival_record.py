"""When packets came, as their sender is told."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.backend.media.congestion.arrival_record import KEPT_SECONDS, ArrivalRecord
from trio_rtc.rtc.backend.media.congestion.transport_feedback import TICK, TransportFeedback


def told(record: ArrivalRecord, now: float) -> list[tuple[int, list[float | None]]]:
    """The first number of each feedback, and the times in it, as they are read."""
    found = []
    for feedback in record.feedback(now):
        read = TransportFeedback.parse(bytes(feedback))
        found.append((read.first, [t if t is None else t * TICK for t in read.arrivals]))
    return found


def steps(times: list[float | None]) -> list[float | None]:
    """In milliseconds, from the first of them."""
    first = next(time for time in times if time is not None)
    return [None if time is None else round(1000 * (time - first), 2) for time in times]


def test_each_packet_is_told_once_with_its_time() -> None:
    record = ArrivalRecord(1)
    assert record.feedback(5.0) == []
    for number, now in [(65_534, 5.0), (65_535, 5.01), (1, 5.02)]:
        record.add(number, 9, now)
    assert record.has_news
    [(first, times)] = told(record, 5.05)
    assert (first, steps(times)) == (65_534, [0, 10, None, 20])
    assert not record.has_news
    assert record.feedback(5.1) == []
    record.add(3, 9, 5.11)
    [(first, times)] = told(record, 5.15)
    # What is missing behind what was told is told with what came after it.
    assert (first, steps(times)) == (2, [None, 0])


def test_messages_are_numbered_and_name_the_last_source() -> None:
    record = ArrivalRecord(77)
    for count in range(300):
        record.add(count, 9 + count, count / 20)
        [feedback] = record.feedback(count / 20)
        assert (feedback.number, feedback.sender_ssrc) == (count % 256, 77)
        assert feedback.media_ssrc == 9 + count


def test_one_that_is_late_is_told_with_those_around_it() -> None:
    record = ArrivalRecord(1)
    for number in (0, 1, 3, 4):
        record.add(number, 9, number / 100)
    [(_, times)] = told(record, 0.05)
    assert steps(times) == [0, 10, None, 30, 40]
    record.add(2, 9, 0.06)
    [(first, times)] = told(record, 0.1)
    assert (first, steps(times)) == (2, [0, -30, -20])


def test_one_that_is_very_late_takes_nothing_back() -> None:
    record = ArrivalRecord(1)
    for number in (0, 1, 3):
        record.add(number, 9, number / 100)
    assert len(record.feedback(0.05)) == 1
    assert record.feedback(1 + KEPT_SECONDS) == []
    record.add(2, 9, 2.0)
    assert record.feedback(2.0) == []


def test_a_copy_is_none() -> None:
    record = ArrivalRecord(1)
    record.add(5, 9, 1.0)
    record.add(5, 9, 1.02)
    [(_, times)] = told(record, 1.05)
    assert len(times) == 1


def test_a_pause_that_no_delta_can_tell() -> None:
    record = ArrivalRecord(1)
    record.add(0, 9, 0.0)
    record.add(1, 9, 10.0)
    one, other = told(record, 10.0)
    assert (one[0], len(one[1]), other[0], len(other[1])) == (0, 1, 1, 1)
    assert other[1][0] is not None
    assert one[1][0] is not None
    assert round(other[1][0] - one[1][0], 2) == 10


def test_a_sender_that_begins_anew() -> None:
    record = ArrivalRecord(1)
    record.add(10, 9, 0.0)
    record.add(30_000, 9, 0.01)
    [(first, times)] = told(record, 0.05)
    assert (first, len(times)) == (30_000, 1)


@given(st.integers(0, 2**32), st.integers(0, 0xFFFF), st.sampled_from([0.0, 0.1, 0.6]))
def test_everything_is_told_whatever_the_order(seed: int, start: int, loss: float) -> None:
    """Through a path that loses, doubles and reorders, up to 20 ms."""
    chance = Random(seed)
    sent = [(number, number / 200 + chance.random() / 50) for number in range(200)]
    arrivals = sorted(
        ((time, number) for number, time in sent if chance.random() >= loss),
    )
    record, due = ArrivalRecord(1), 0.05
    seen: dict[int, float] = {}
    for time, number in arrivals:
        while time > due:
            collect(record, due, start, seen)
            due += 0.05
        record.add((start + number) & 0xFFFF, 9, time)
    collect(record, 2.0, start, seen)
    came = {number: time for time, number in arrivals}
    assert seen.keys() == came.keys()
    if came:
        # The clocks have each their own zero.
        offset = min(seen.values()) - min(came.values())
        assert all(abs(seen[n] - offset - came[n]) < 2 * TICK for n in came)


def collect(record: ArrivalRecord, now: float, start: int, seen: dict[int, float]) -> None:
    for first, times in told(record, now):
        for step, time in enumerate(times):
            if time is not None:
                seen[(first - start + step) & 0xFFFF] = time
