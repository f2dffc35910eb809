"""What waits to be sent, serial numbers, and what is known of the path at first."""

from __future__ import annotations

from math import inf

import pytest

from trio_rtc.rtc.backend.sctp.machine.outbound import (
    IN_FLIGHT,
    LOST,
    OutboundChunk,
    UserMessage,
)
from trio_rtc.rtc.backend.sctp.machine.rack import LossDetection
from trio_rtc.rtc.backend.sctp.machine.received import MAX_DUPLICATES, Received
from trio_rtc.rtc.backend.sctp.machine.rtt import RTO_INITIAL, RoundTrips
from trio_rtc.rtc.backend.sctp.machine.send_queue import SendQueue
from trio_rtc.rtc.backend.sctp.machine.sent import SentChunks
from trio_rtc.rtc.backend.sctp.machine.serial import on_wire, unwrap


def message(stream: int, size: int, *, ordered: bool = True) -> UserMessage:
    return UserMessage(stream, 53, bytes(size), ordered=ordered)


def test_streams_take_turns_and_bytes_are_counted() -> None:
    sequences = {1: 0xFFFF}
    queue = SendQueue(sequences)
    assert not queue
    first, second, other = message(1, 5), message(1, 7), message(2, 11)
    for one in (first, second, other):
        queue.put(one)
    assert (queue.size, bool(queue)) == (23, True)
    assert [queue.holds(stream) for stream in (1, 2, 3)] == [True, True, False]
    assert queue.peek() is first
    queue.begin(first)
    assert (first.sequence, sequences[1]) == (0xFFFF, 0)
    # It has begun: it goes on.
    assert queue.peek() is first
    first.position = 5
    queue.taken(first, 5)
    assert (queue.peek(), queue.size) == (other, 18)
    queue.drop(other)
    assert (queue.peek(), queue.size) == (second, 7)
    queue.begin(second)
    assert (second.sequence, queue.holds(1), queue.holds(2)) == (0, True, False)
    second.position = 3
    queue.taken(second, 3)
    assert queue.size == 4
    queue.end(second)
    assert (queue.size, bool(queue), queue.holds(1)) == (0, False, False)


def test_what_is_unordered_has_no_number() -> None:
    sequences: dict[int, int] = {}
    queue = SendQueue(sequences)
    loose = message(1, 5, ordered=False)
    queue.put(loose)
    queue.begin(loose)
    assert (loose.sequence, sequences) == (0, {})
    queue.clear()
    assert (queue.size, bool(queue)) == (0, False)


@pytest.mark.parametrize("near", [0, 5, 2**31, 2**32 - 1, 2**32 + 7, 2**40])
def test_serial_numbers_are_the_nearest(near: int) -> None:
    for step in (0, 1, -1, 1000, -1000, 2**31 - 1, -(2**31)):
        assert unwrap(on_wire(near + step), near) == near + step


def test_before_the_first_trip() -> None:
    trips = RoundTrips()
    assert (trips.smoothed, trips.variation, trips.latest, trips.shortest, trips.timeouts) == (
        None, 0.0, 0.0, inf, 0
    )  # fmt: skip
    losses = LossDetection(trips)
    assert losses.window() == 0.0
    trips.back_off()
    assert trips.timeout == 2 * RTO_INITIAL
    trips.heard()
    assert trips.timeout == RTO_INITIAL


def test_another_path_is_measured_anew() -> None:
    trips = RoundTrips()
    trips.add(0.01, 0.0)
    trips.back_off()
    trips.forget()
    assert (trips.smoothed, trips.variation, trips.latest, trips.shortest, trips.timeouts) == (
        None, 0.0, 0.0, inf, 0
    )  # fmt: skip
    trips.add(0.2, 1.0)
    assert trips.shortest == 0.2


def chunks(losses: LossDetection, count: int) -> list[OutboundChunk]:
    made = [OutboundChunk(tsn, message(1, 4), 4) for tsn in range(count)]
    for one in made:
        losses.sent(one, 0.0)
    assert losses.order == count
    return made


def test_what_was_sent_again_counts_from_then() -> None:
    trips = RoundTrips()
    trips.add(0.1, 0.0)
    losses = LossDetection(trips)
    first, second = chunks(losses, 2)
    first.state = LOST
    losses.sent(first, 1.0)
    first.state = IN_FLIGHT
    assert (first.transmissions, first.order, first.sent_at) == (2, 3, 1.0)
    # Its first transmission, which is not looked at any more, was before the second chunk.
    assert losses.expire(0.5) == [second, first][:1]
    assert losses.expire(5.0) == [first]


def test_a_trip_of_nine_tenths_is_not_too_early() -> None:
    trips = RoundTrips()
    trips.add(1.0, 0.0)
    losses = LossDetection(trips)
    [one] = chunks(losses, 1)
    losses.sent(one, 10.0)
    assert losses.acknowledged(one, 10.5) is True
    assert losses.acknowledged(one, 10.0 + 0.95) is False


def test_patience_is_of_recoveries() -> None:
    trips = RoundTrips()
    trips.add(1.0, 0.0)
    losses = LossDetection(trips)
    losses.order = 1
    losses.needless(1)
    assert losses.window() == pytest.approx(0.5)
    losses.recovered()
    assert losses.window() == pytest.approx(0.5)


def test_what_has_arrived_in_pieces() -> None:
    received = Received(9)
    assert received.has_gaps is False
    received.add(12)
    assert received.has_gaps is True
    assert received.pass_over(9) is False
    assert received.pass_over(11) is True
    assert (received.cumulative, received.has_gaps) == (12, False)
    for _ in range(MAX_DUPLICATES + 5):
        assert received.add(12) is False
    sack = received.sack(1000, 4000)
    assert int.from_bytes(sack[14:16], "big") == MAX_DUPLICATES


def test_blocks_of_before_are_not_told_of_twice() -> None:
    sent = SentChunks(1)
    for tsn in range(1, 10):
        one = OutboundChunk(tsn, message(1, 4), 4)
        sent.add(one)
        sent.depart(one)
    assert [one.tsn for one in sent.acknowledge(0, [(3, 4)])] == [3, 4]
    # One that begins before it, and one that ends behind it.
    assert [one.tsn for one in sent.acknowledge(0, [(2, 6)])] == [2, 5, 6]
    assert [one.tsn for one in sent.acknowledge(0, [(2, 8)])] == [7, 8]
