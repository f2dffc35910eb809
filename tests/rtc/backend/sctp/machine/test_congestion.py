"""The congestion controls by themselves."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from trio_rtc.rtc.backend.sctp.machine.bbr import (
    GIVEN_WAY,
    PROBE_RTT_SECONDS,
    STALLED,
    Bbr,
    _Mode,
)
from trio_rtc.rtc.backend.sctp.machine.congestion import (
    INITIAL_PACKETS,
    LOCAL_WINDOW,
    Acknowledged,
)
from trio_rtc.rtc.backend.sctp.machine.cubic import BETA, CSS_ROUNDS, TRIPS, C, Cubic

PACKET = 1000


def ack(now: float, **fields: Any) -> Acknowledged:
    usual: dict[str, Any] = {
        "size": 10 * PACKET,
        "delivered": 0,
        "sent_with": 0,
        "rate": 0.0,
        "app_limited": False,
        "trip": 0.1,
        "shortest": 0.1,
        "smoothed": 0.1,
        "variation": 0.001,
        "in_flight": 0,
        "window_limited": True,
        "lost": 0,
        "largest_packet": PACKET,
    }
    return Acknowledged(now=now, **{**usual, **fields})


def test_slow_start_grows_by_what_is_acknowledged() -> None:
    control = Cubic(PACKET)
    assert control.window == INITIAL_PACKETS * PACKET
    control.acknowledged(ack(0.1))
    assert control.window == 20 * PACKET
    # Not where there was not enough to send.
    control.acknowledged(ack(0.1, window_limited=False))
    assert control.window == 20 * PACKET


def test_slow_start_ends_when_trips_grow_longer() -> None:
    control = Cubic(PACKET)
    delivered = 0

    def acknowledge(trip: float) -> int:
        nonlocal delivered
        before = control.window
        delivered += PACKET
        control.acknowledged(
            ack(0.1, size=4 * PACKET, trip=trip, delivered=delivered, sent_with=delivered)
        )
        return control.window - before

    assert {acknowledge(0.1) for _ in range(TRIPS)} == {4 * PACKET}
    grown = [acknowledge(0.12) for _ in range(TRIPS + 2)]
    assert (grown[0], grown[-1]) == (4 * PACKET, PACKET)
    # It was a moment of noise.
    assert [acknowledge(0.1) for _ in range(2)][-1] == 4 * PACKET
    for _ in range(TRIPS + CSS_ROUNDS + 2):
        acknowledge(0.12)
    assert acknowledge(0.12) < PACKET


def test_cubic_grows_with_the_time_since_the_last_loss() -> None:
    control = Cubic(PACKET)
    control.window = 200 * PACKET
    control.lost(0.0, 0)
    assert control.window == round(200 * PACKET * BETA)
    windows = []
    for step in range(1, 2000):
        control.acknowledged(ack(step * 0.01, size=control.window // 10))
        windows.append(control.window)
    # RFC 9438, section 4.2: back where it was after K, and convex from then on.
    k = (200 * (1 - BETA) / C) ** (1 / 3)
    assert windows[round(k * 100)] == pytest.approx(200 * PACKET, rel=0.03)
    at_end = 200 + C * (20 - k) ** 3
    assert windows[-1] == pytest.approx(at_end * PACKET, rel=0.1)


def test_a_loss_that_was_none_is_undone() -> None:
    control = Cubic(PACKET)
    control.window = 100 * PACKET
    control.lost(0.0, 0)
    control.undo()
    assert control.window == 100 * PACKET
    control.acknowledged(ack(0.1, size=PACKET))
    assert control.window == 101 * PACKET


@pytest.mark.parametrize("kind", [Bbr, Cubic])
def test_nothing_is_paced_within_a_room(kind: Any) -> None:
    control = kind(PACKET)
    fields = {"trip": 0.0005, "shortest": 0.0005, "smoothed": 0.001}
    for _ in range(20):
        control.acknowledged(ack(0.1, rate=1e6, **fields))
    assert control.rate is None
    assert control.window == LOCAL_WINDOW
    # A queue that builds up there is none of a room.
    for _ in range(20):
        control.acknowledged(ack(0.2, rate=1e6, **{**fields, "smoothed": 0.2, "trip": 0.2}))
    assert control.rate is not None
    control.acknowledged(ack(0.3, rate=1e6, **fields))
    assert control.rate is None


@pytest.mark.parametrize(("smoothed", "is_local"), [(0.0499, True), (0.05, False)])
@pytest.mark.parametrize("kind", [Bbr, Cubic])
def test_how_long_a_usual_trip_of_a_room_may_be(kind: Any, smoothed: float, is_local: bool) -> None:
    control = kind(PACKET)
    control.acknowledged(ack(0.1, trip=0.001, shortest=0.001, smoothed=smoothed, rate=1e6))
    assert (control.rate is None) is is_local


def test_without_a_trip_there_is_no_product() -> None:
    control = Bbr(PACKET)
    # As where only what was sent again has arrived.
    control.acknowledged(ack(0.1, trip=None, rate=1e6, delivered=10**6))
    assert control.window == INITIAL_PACKETS * PACKET


def steady(control: Bbr, rate: float, rounds: int, *, start: float = 0.0, **fields: Any) -> float:
    """A path of 0.1 s that delivers so much, and the sender fills."""
    now, delivered = start, round(start * 1e9)
    for _ in range(rounds):
        size = round(rate * 0.1)
        control.acknowledged(
            ack(
                now,
                size=size,
                delivered=delivered + size,
                sent_with=delivered,
                rate=rate,
                **{"in_flight": min(size, control.window), **fields},
            )
        )
        delivered += size
        now += 0.1
    return now


def test_the_rate_settles_at_what_is_delivered() -> None:
    control = Bbr(PACKET)
    now = steady(control, 1e6, 20)
    assert control.rate is not None
    assert 0.7e6 < control.rate < 1.3e6
    # Two products, and what is acknowledged at once.
    assert 150_000 < control.window < 310_000
    # There is twice as much all at once, and it is found.
    now = steady(control, 2e6, 20, start=now)
    assert control.rate > 1.4e6


def test_what_is_lost_without_a_queue_costs_nothing() -> None:
    one, two = Bbr(PACKET), Bbr(PACKET)
    now = steady(one, 1e6, 40, lost=5000)
    steady(two, 1e6, 40)
    assert one.window == two.window
    # With one it is an overflow.
    steady(one, 1e6, 40, start=now, lost=5000, trip=0.15)
    assert one.window < 0.7 * two.window


@pytest.mark.parametrize(("lost", "is_much"), [(2000, False), (2001, True)])
def test_more_than_two_in_a_hundred_are_much(lost: int, is_much: bool) -> None:
    control = Bbr(PACKET)
    # 98 kB in each round, and then a queue.
    now = steady(control, 980_000.0, 20)
    now = steady(control, 980_000.0, 8, start=now, trip=0.5, smoothed=0.5)
    assert control._high == inf
    steady(control, 980_000.0, 1, start=now, trip=0.5, smoothed=0.5, lost=lost)
    assert (control._high < inf) is is_much


def test_four_packets_are_on_their_way_at_least() -> None:
    control = Bbr(PACKET)
    steady(control, 1000.0, 60)
    assert control.window == 4 * PACKET


def test_few_messages_tell_nothing_of_a_path() -> None:
    control = Bbr(PACKET)
    now = steady(control, 1e6, 20)
    steady(control, 1e3, 40, start=now, app_limited=True)
    assert control.rate is not None
    assert control.rate > 0.7e6


@pytest.mark.parametrize(("after", "is_looked_for"), [(0.0, False), (0.25, True)])
def test_the_shortest_trip_counts_for_so_long(after: float, is_looked_for: bool) -> None:
    control = Bbr(PACKET)
    control._filled = True
    control.acknowledged(ack(1.0, trip=0.25, rate=1e6, delivered=1))
    control.acknowledged(ack(1.0 + PROBE_RTT_SECONDS + after, trip=0.5, rate=1e6, delivered=2))
    assert (control._mode is _Mode.PROBE_RTT) is is_looked_for


def test_a_path_that_is_full_stays_so_while_nothing_changes() -> None:
    control, now = Bbr(PACKET), 0.0
    while not control._filled:
        now = steady(control, 1e6, 1, start=now)
    for _ in range(40):
        now = steady(control, 1e6, 1, start=now)
        assert control._filled


def test_a_path_that_is_looked_at_again_is_full_after_as_many_rounds() -> None:
    control = Bbr(PACKET)
    now = steady(control, 1e6, 20)
    control._start_up(control._bandwidth)
    rounds = 0
    while not control._filled:
        now = steady(control, 1e6, 1, start=now)
        rounds += 1
    assert rounds == STALLED


@pytest.mark.parametrize(("high", "kept"), [(inf, False), (1e9, True)])
def test_whoever_has_given_way_twice_gives_no_more(high: float, kept: bool) -> None:
    control = Bbr(PACKET)
    now = steady(control, 1e6, 20)
    control._given_way, control._high = GIVEN_WAY, high
    control._give_way(ack(now, in_flight=0))
    # At least what is delivered within the longest trip, and never nothing of a limit.
    assert control._high == (1e9 if kept else pytest.approx(1e6 * 0.1))


@pytest.mark.parametrize(("trip", "phase"), [(0.1, 0), (0.3, 1)])
def test_a_queue_ends_the_asking_for_more(trip: float, phase: int) -> None:
    control = Bbr(PACKET)
    now = steady(control, 1e6, 20)
    control._begin_cycle(0, now)
    control._trips.extend([trip] * 8)
    control._advance_cycle(ack(now + 0.15, trip=trip))
    assert control._phase == phase


def test_the_shortest_trip_is_looked_for_again() -> None:
    control = Bbr(PACKET)
    now = steady(control, 1e6, 20)
    windows = []
    for _ in range(150):
        now = steady(control, 1e6, 1, start=now, trip=0.11)
        windows.append(control.window)
    assert min(windows) < 70_000
    assert windows[-1] > 150_000
