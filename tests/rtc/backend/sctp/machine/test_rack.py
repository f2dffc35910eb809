"""Losses by time (RFC 8985), and timeouts (RFC 9260, section 6.3)."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.backend.sctp.machine.outbound import (
    ACKNOWLEDGED,
    OutboundChunk,
    UserMessage,
)
from trio_rtc.rtc.backend.sctp.machine.rack import PATIENCE, LossDetection
from trio_rtc.rtc.backend.sctp.machine.rtt import (
    RTO_INITIAL,
    RTO_MAX,
    RTO_MIN,
    VARIANCE_MIN,
    RoundTrips,
)


def trips_of(seconds: float) -> RoundTrips:
    trips = RoundTrips()
    for _ in range(20):
        trips.add(seconds, 0.0)
    return trips


def send(losses: LossDetection, *times: float) -> list[OutboundChunk]:
    chunks = [OutboundChunk(tsn, UserMessage(1, 53, b"x"), 1) for tsn in range(len(times))]
    for chunk, at in zip(chunks, times, strict=True):
        losses.sent(chunk, at)
    return chunks


def arrive(losses: LossDetection, chunk: OutboundChunk, now: float) -> bool:
    chunk.state = ACKNOWLEDGED
    return losses.acknowledged(chunk, now)


def test_what_was_sent_before_what_arrived_is_lost_after_a_while() -> None:
    losses = LossDetection(trips_of(0.1))
    chunks = send(losses, 0.0, 0.001, 0.002, 0.003)
    arrive(losses, chunks[2], 0.102)
    lost, look_at = losses.find(0.102)
    assert lost == []
    assert look_at == pytest.approx(0.125)
    assert losses.find(0.1249)[0] == []
    lost, look_at = losses.find(0.1251)
    assert lost == [chunks[0]]
    assert look_at == pytest.approx(0.126)
    assert losses.find(0.127) == ([chunks[1]], None)


def test_a_lost_retransmission_is_found_the_same_way() -> None:
    losses = LossDetection(trips_of(0.1))
    first, second = send(losses, 0.0, 0.01)
    arrive(losses, second, 0.11)
    assert losses.find(0.2)[0] == [first]
    losses.sent(first, 0.2)
    third = OutboundChunk(2, UserMessage(1, 53, b"x"), 1)
    losses.sent(third, 0.201)
    arrive(losses, third, 0.301)
    assert losses.find(0.35)[0] == [first]


def test_an_answer_that_is_too_early_is_to_the_first_transmission() -> None:
    losses = LossDetection(trips_of(0.1))
    first, second = send(losses, 0.0, 0.01)
    arrive(losses, second, 0.11)
    assert losses.find(0.15)[0] == [first]
    losses.sent(first, 0.15)
    assert arrive(losses, first, 0.16)
    assert losses.window() == pytest.approx(0.025)
    losses.needless(first.order)
    assert losses.window() == pytest.approx(0.05)
    # One step in a round trip, never more than a whole trip, and not for ever.
    losses.needless(first.order)
    assert losses.window() == pytest.approx(0.05)
    for _ in range(10):
        losses.needless(losses.order + 1)
    assert losses.window() == pytest.approx(0.1)
    for _ in range(PATIENCE):
        losses.recovered()
    assert losses.window() == pytest.approx(0.025)


def test_of_what_was_sent_again_only_the_last_time_counts() -> None:
    losses = LossDetection(trips_of(0.1))
    one, two = send(losses, 0.0, 0.001)
    losses.sent(one, 0.002)
    arrive(losses, two, 0.101)
    # It went out behind what has arrived.
    assert losses.find(9.0) == ([], None)


def test_a_timeout_takes_nothing_that_has_arrived() -> None:
    losses = LossDetection(trips_of(0.1))
    one, two = send(losses, 0.0, 0.001)
    arrive(losses, one, 0.101)
    assert losses.expire(9.0) == [two]


def test_a_timeout_takes_the_oldest_and_what_is_no_younger() -> None:
    losses = LossDetection(trips_of(0.1))
    chunks = send(losses, 0.0, 0.0, 1.0)
    assert losses.expire(0.5) == chunks[:2]
    assert losses.expire(1.01) == chunks[2:]
    assert losses.expire(2.0) == []


def test_the_timeout_follows_the_trips() -> None:
    trips = RoundTrips()
    # As in browsers: the first echo is not to wait for the 3 s and 1 s of telephone networks.
    assert trips.timeout == RTO_INITIAL == 0.5
    trips.add(0.02, 0.0)
    assert trips.timeout == RTO_MIN == 0.4
    trips.floor = 0.1
    assert trips.timeout == pytest.approx(0.02 + VARIANCE_MIN)
    trips.add(0.5, 0.0)
    # RFC 9260, section 6.3.1, C3, with alpha 1/8 and beta 1/4.
    assert trips.smoothed == pytest.approx(0.08)
    assert trips.variation == pytest.approx(0.1275)
    assert trips.timeout == pytest.approx(0.08 + 4 * 0.1275)


def test_it_doubles_until_something_is_measured() -> None:
    trips = trips_of(0.3)
    trips.floor = 0.0
    waits = []
    for _ in range(6):
        waits.append(trips.timeout)
        trips.back_off()
    assert waits == [pytest.approx(wait) for wait in (0.5, 1.0, 2.0, RTO_MAX, RTO_MAX, RTO_MAX)]
    trips.add(0.3, 0.0)
    assert trips.timeout == pytest.approx(0.5)


def test_the_shortest_trip_is_forgotten() -> None:
    trips = RoundTrips()
    for second in range(40):
        trips.add(0.02 if second < 5 else 0.2, float(second))
        assert trips.shortest == (0.02 if second < 20 else 0.2)
