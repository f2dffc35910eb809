"""Flights of a DTLS handshake by themselves: when they are sent again, and until when."""

from __future__ import annotations

import math

import pytest

from trio_rtc.rtc.backend.dtls.flights import SHORTEST, UNKNOWN, Flights


def record(kind: int, message: int = 0, epoch: int = 0, part: tuple[int, int] = (0, 0)) -> bytes:
    start, length = (size.to_bytes(3) for size in part)
    head = bytes([1, 0, 0, 0]) + message.to_bytes(2) + start + length
    body = head + bytes(part[1]) if kind == 22 else b"\1"
    return bytes([kind, 254, 253, 0, epoch]) + bytes(6) + len(body).to_bytes(2) + body


HELLO, CERTIFICATE, FINISHED = record(22, 0), record(22, 2), record(20) + record(22, 9, epoch=1)


@pytest.mark.parametrize(
    ("trip", "wait"), [(None, UNKNOWN), (0.001, SHORTEST), (0.2, 0.4), (0.45, 0.9)]
)
def test_the_first_timer_follows_the_round_trip(trip: float | None, wait: float) -> None:
    flights = Flights(trip)
    assert flights.due == math.inf
    flights.sent(HELLO, 10.0)
    assert flights.due == 10.0 + wait


def test_it_doubles_and_begins_anew_with_the_next_flight() -> None:
    flights = Flights(0.1)
    flights.sent(HELLO, 0.0)
    waits = []
    for _ in range(4):
        now = flights.due
        flights.expired(now)
        assert flights.take() == HELLO
        assert flights.take() == b""
        waits.append(round(flights.due - now, 3))
    assert waits == [0.4, 0.8, 1.6, 3.2]
    flights.received(HELLO, 20.0)
    flights.sent(CERTIFICATE, 20.0)
    assert flights.due == pytest.approx(20.2)


def test_a_flight_of_several_datagrams_is_sent_again_whole() -> None:
    flights = Flights(0.1)
    flights.sent(HELLO, 0.0)
    flights.sent(CERTIFICATE, 0.0)
    flights.expired(1.0)
    assert flights.due < 1.0
    assert (flights.take(), flights.take(), flights.take()) == (HELLO, CERTIFICATE, b"")


def test_what_openssl_sends_again_is_the_same_flight() -> None:
    flights = Flights(0.1)
    flights.sent(HELLO + CERTIFICATE, 0.0)
    assert flights.unsent(CERTIFICATE) == b""
    assert flights.unsent(record(22, 5)) == record(22, 5)
    assert flights.unsent(record(23)) == record(23)
    # Nor does it begin the timer anew.
    flights.expired(0.2)
    flights.received(b"\x16", 0.3)
    flights.sent(HELLO + CERTIFICATE, 0.3)
    assert flights.due == pytest.approx(0.3 + 0.4)


def test_what_openssl_sends_again_is_left_out_of_the_next_flight() -> None:
    flights = Flights(0.1)
    flights.sent(HELLO + CERTIFICATE, 0.0)
    assert flights.unsent(HELLO + CERTIFICATE + FINISHED) == FINISHED
    flights.received(HELLO, 0.1)
    flights.sent(FINISHED, 0.1)
    assert flights.unsent(FINISHED) == b""


def test_a_message_may_go_in_other_parts_when_it_is_sent_again() -> None:
    def part(start: int, length: int) -> bytes:
        return record(22, 3, part=(start, length))

    flights = Flights(0.1)
    flights.sent(part(0, 100) + part(100, 200), 0.0)
    assert flights.unsent(part(300, 50)) == part(300, 50)
    flights.sent(part(300, 50), 0.0)
    again = part(0, 150) + part(150, 200)
    assert flights.unsent(again) == b""
    assert flights.unsent(again + record(22, 4)) == record(22, 4)


def test_who_has_the_last_word_says_it_again_when_asked() -> None:
    flights = Flights(0.1)
    flights.received(CERTIFICATE, 1.0)
    flights.sent(FINISHED, 1.0)
    flights.finish(answered=False)
    assert flights.due == math.inf
    # Not to what was on its way already.
    flights.received(CERTIFICATE, 1.01)
    assert flights.take() == b""
    flights.received(CERTIFICATE, 1.2)
    assert (flights.take(), flights.take()) == (FINISHED, b"")


def test_who_has_been_answered_says_nothing_more() -> None:
    flights = Flights(0.1)
    flights.sent(CERTIFICATE, 0.0)
    flights.received(FINISHED, 0.1)
    flights.finish(answered=True)
    flights.received(FINISHED, 5.0)
    assert (flights.due, flights.take()) == (math.inf, b"")
