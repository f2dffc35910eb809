"""The sender: how much may wait, what there is to send, and packets that are just full."""

from __future__ import annotations

from typing import Any

import pytest

from trio_rtc.rtc.backend.sctp.machine.congestion import (
    INITIAL_PACKETS,
    LOCAL_BUSY,
    LOCAL_SECONDS,
)
from trio_rtc.rtc.backend.sctp.machine.data_sender import (
    COMMON_HEADER,
    PACKETS_IN_WINDOW,
    SMALLEST_FRAGMENT,
    Sender,
)
from trio_rtc.rtc.backend.sctp.machine.outbound import UserMessage
from trio_rtc.rtc.backend.sctp.machine.send_queue import MIN_UNSENT, MOST_UNSENT

from .test_recovery import Said
from .test_sending import acknowledge, packets, put, sender


class Wide(Said):
    """A congestion control that would have far more on its way."""

    window = 4 * MIN_UNSENT
    needs_samples = False


@pytest.mark.parametrize(
    ("trip", "window", "most"),
    [
        (None, 1, MOST_UNSENT),
        (LOCAL_SECONDS / 2, 1, MOST_UNSENT),
        (LOCAL_SECONDS, 4 * MIN_UNSENT, 2 * MIN_UNSENT),
        (1.0, 2 * MIN_UNSENT, MIN_UNSENT),
        (1.0, 1, MIN_UNSENT),
    ],
)
def test_half_a_window_may_wait(trip: float | None, window: int, most: int) -> None:
    control = Wide()
    control.window = window
    sends = sender(control)
    if trip is not None:
        sends.trips.add(trip, 0.0)
    assert sends.most_unsent == most


def test_there_is_more_while_something_waits_is_lost_or_is_to_be_told() -> None:
    sends = sender()
    assert not sends.has_more
    put(sends, 100)
    assert sends.has_more
    packets(sends)
    # The caller is still to be told that all of it is taken.
    assert sends.has_more
    sends.taken.clear()
    assert not sends.has_more


def test_what_was_given_up_is_to_be_told() -> None:
    sends: Any = sender()
    sends._partial.is_due = True
    assert sends.has_more


def test_two_that_were_lost_fill_a_packet_to_the_byte() -> None:
    sends = sender(Wide())
    # 16 bytes of a header each, and 12 of the packet.
    put(sends, 600)
    put(sends, 556)
    put(sends, 1000, 1000, 1000)
    first = packets(sends)
    assert [len(packet) for packet in first] == [2, 1, 1, 1]
    acknowledge(sends, 0, 0.1, blocks=[(3, 5)])
    sends.wake(0.5)
    again = packets(sends, 0.5)
    assert [len(chunk.user_data) for chunk in again[0]] == [600, 556]


def test_what_is_sent_while_nothing_else_waits_tells_nothing_of_the_path() -> None:
    sends: Any = sender(Wide())
    assert packets(sends) == []
    assert sends._delivery.snapshot().app_limited
    put(sends, 100)
    packets(sends)
    assert sends._delivery.snapshot().app_limited
    # Behind a window that is full there is no such moment.
    control = Wide()
    control.window = 100
    sends = sender(control)
    put(sends, 1000, 1000)
    packets(sends)
    assert not sends._delivery.snapshot().app_limited


def test_a_message_is_found_again() -> None:
    owner = object()
    assert UserMessage(1, 53, b"x", owner=owner).owner is owner


def test_a_packet_costs_what_it_takes_on_its_way() -> None:
    sends: Any = Sender(1, Wide(), peer_window=1 << 20, packet_size=1200)
    told: list[int] = []
    sends._pacer.sent = lambda size, rate, now: told.append(size)
    put(sends, 1000, 100)
    packets(sends)
    (one,) = told
    assert one == sends.in_flight


def test_of_what_arrives_within_a_room_only_losses_are_told() -> None:
    control = Wide()
    sends = sender(control)
    put(sends, 1000, 1000, 1000)
    packets(sends)
    acknowledge(sends, 0, 0.001, blocks=[(2, 3)])
    assert control.log == []
    sends.wake(0.01)
    assert control.log == ["lost"]
    assert len(packets(sends, 0.01)) == 1
    acknowledge(sends, 3, 0.011)
    assert control.log == ["lost"]


@pytest.mark.parametrize(
    ("trip", "log"), [(0.99 * LOCAL_BUSY / 2, []), (LOCAL_BUSY / 2, ["acknowledged"])]
)
def test_where_a_room_ends(trip: float, log: list[str]) -> None:
    control = Wide()
    sends = sender(control)
    put(sends, 1000)
    packets(sends)
    acknowledge(sends, 1, trip)
    assert control.log == log


def test_what_was_lost_is_more_to_send_and_may_not_fit_any_more() -> None:
    sends = sender(Wide())
    put(sends, 1000, 1000, 1000)
    packets(sends)
    sends.taken.clear()
    assert (sends.has_more, sends.is_stuck) == (False, False)
    acknowledge(sends, 0, 0.1, blocks=[(2, 3)])
    sends.wake(0.5)
    assert (sends.has_more, sends.is_stuck) == (True, False)
    # 16 bytes of the chunk's header, and 12 of the packet's.
    sends.packet_size = 1016 + COMMON_HEADER
    assert not sends.is_stuck
    sends.packet_size -= 1
    assert sends.is_stuck


def test_what_expires_when_it_is_its_turn_leaves_nothing_to_send() -> None:
    sends: Any = sender(Wide())
    put(sends, 1000, expires=1.0)
    assert packets(sends, 1.0) == []
    assert sends._delivery.snapshot().app_limited


def test_a_small_window_has_several_packets() -> None:
    control = Wide()
    sends = Sender(1, control, peer_window=1 << 20, packet_size=9000)
    for window, size in (
        (PACKETS_IN_WINDOW * 2000, 2000),
        (PACKETS_IN_WINDOW * 2000 + PACKETS_IN_WINDOW - 1, 2000),
        (1000, SMALLEST_FRAGMENT),
        (1 << 20, 9000 - COMMON_HEADER - 16),
    ):
        control.window = window
        sends.queue.clear()
        put(sends, 20_000)
        [first, *_] = packets(sends)[0]
        assert len(first.user_data) == size
        acknowledge_all(sends)


def acknowledge_all(sends: Any) -> None:
    last = sends._sent.next_tsn - 1
    sends.acknowledge(last, 1 << 20, [], (), 10.0)


def test_after_silence_ten_packets_go_at_once_whatever_the_rate() -> None:
    control = Wide()
    control.rate = 1.0
    sends = sender(control)
    put(sends, *[1172] * 30)
    assert len(packets(sends)) == INITIAL_PACKETS


def test_what_arrives_behind_a_gap_puts_off_the_timeout() -> None:
    sends = sender(Wide())
    put(sends, 1000, 1000, 1000)
    packets(sends)
    before = sends.deadline()
    acknowledge(sends, 0, 0.3, blocks=[(3, 3)])
    sends.wake(0.4)
    # What is in the gap is sent again, which puts off nothing.
    assert len(packets(sends, 0.4)) == 2
    after = sends.deadline()
    assert before is not None
    assert after is not None
    assert after > before


def test_what_is_passed_over_puts_off_the_timeout() -> None:
    sends = sender(Wide())
    put(sends, 1000, max_retransmits=0)
    put(sends, 1000, 1000)
    packets(sends)
    acknowledge(sends, 0, 0.1, blocks=[(2, 2)])
    sends.wake(0.2)
    # It is given up when it would be sent again, and the other side is told.
    packets(sends, 0.2)
    before = sends.deadline()
    acknowledge(sends, 2, 0.3)
    after = sends.deadline()
    assert before is not None
    assert after is not None
    assert after > before
