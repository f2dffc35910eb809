"""The sender: how much may wait, what there is to send, and packets that are just full."""

from __future__ import annotations

from typing import Any

import pytest

from trio_rtc.rtc.backend.sctp.machine.congestion import LOCAL_BUSY, LOCAL_SECONDS
from trio_rtc.rtc.backend.sctp.machine.data_sender import Sender
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
