"""The parts of the bandwidth estimate at their limits, to the last number."""

from __future__ import annotations

from typing import Any

import pytest

from trio_rtc.rtc.backend.media.congestion.arrival_record import (
    HALF,
    KEPT_SECONDS,
    ArrivalRecord,
)
from trio_rtc.rtc.backend.media.congestion.bandwidth_estimate import BandwidthEstimate
from trio_rtc.rtc.backend.media.congestion.delay_gradient import (
    FIRST_THRESHOLD,
    DelayGradient,
    Usage,
)
from trio_rtc.rtc.backend.media.congestion.rate_control import (
    FIRST_INCREASE,
    INCREASE,
    RateControl,
)
from trio_rtc.rtc.backend.media.congestion.sent_packets import PacketResult

OVER = FIRST_THRESHOLD + 1


def usages(*groups: tuple[float, float]) -> list[Usage]:
    """The state after each group: the gradient, and the milliseconds of its sending."""
    gradient = DelayGradient()
    return [gradient._compare(offset, sending, is_rising=True) for offset, sending in groups]


@pytest.mark.parametrize(
    ("groups", "last"),
    [
        # Half of the first group counts, and 10 ms are not more than 10.
        ([(OVER, 8), (OVER, 6)], "normal"),
        ([(OVER, 8), (OVER, 6), (OVER, 0.5)], "overuse"),
        # One group tells of none, however long it took.
        ([(OVER, 300)], "normal"),
        ([(OVER, 30), (OVER, 1)], "overuse"),
        ([(OVER, 18), (OVER, 0.5)], "normal"),
        # What is over begins anew, as after an overuse; both to the last millisecond.
        ([(OVER, 8), (0, 5), (OVER, 18), (OVER, 1)], "normal"),
        ([(OVER, 8), (0, 5), (OVER, 18), (OVER, 1.5)], "overuse"),
        ([(OVER, 8), (OVER, 9), (OVER, 18), (OVER, 1)], "normal"),
        ([(OVER, 8), (OVER, 9), (OVER, 18), (OVER, 1.5)], "overuse"),
        ([(FIRST_THRESHOLD, 300), (FIRST_THRESHOLD, 300)], "normal"),
        ([(-OVER, 5)], "underuse"),
    ],
)
def test_for_how_long_there_is_overuse(groups: list[tuple[float, float]], last: Usage) -> None:
    assert usages(*groups)[-1] == last


def test_a_gradient_that_falls_again_is_no_overuse() -> None:
    gradient = DelayGradient()
    gradient._compare(OVER, 30, is_rising=True)
    assert gradient._compare(OVER, 30, is_rising=False) == "normal"


def link_after(*arriving: float) -> RateControl:
    """A control that saw overuse so often, at these rates of arrival."""
    control = RateControl(2e6)
    for at, rate in enumerate(arriving):
        control.update("overuse", rate, 0.1, float(at))
    return control


def test_what_a_path_carries_is_an_average() -> None:
    assert link_after(1e6)._link == pytest.approx(1000)
    assert link_after(1e6, 0.95e6)._link == pytest.approx(0.95 * 1000 + 0.05 * 950)
    # More than three deviations below: the path is another one.
    assert link_after(1e6, 0.93e6)._link == pytest.approx(930)


@pytest.mark.parametrize(("arriving", "is_known"), [(1.05e6, True), (1.07e6, False)])
def test_a_path_that_carries_more_is_another_one(arriving: float, is_known: bool) -> None:
    control = link_after(1e6)
    for at in (1.0, 2.0):
        control.update("normal", arriving, 0.1, at)
    assert (control._link is not None) is is_known


def test_it_rises_more_slowly_once_there_was_overuse() -> None:
    for control, factor in ((RateControl(1e6), FIRST_INCREASE), (link_after(1e6), INCREASE)):
        # Twice, as what was too much has to drain before more is tried.
        control.update("normal", 10e6, 0.1, 10.0)
        control.update("normal", 10e6, 0.1, 11.0)
        before = control.rate
        control.update("normal", 10e6, 0.1, 12.0)
        assert control.rate == pytest.approx(factor * before)


def test_the_round_trip_is_that_of_what_was_sent_last() -> None:
    estimate: Any = BandwidthEstimate()
    told: list[tuple[float, float]] = []
    estimate._by_delay.update = lambda usage, arriving, rtt, now: told.append((rtt, now))
    # It came before one that was sent earlier.
    estimate.take([PacketResult(7.0, 1000, 0.4), PacketResult(7.1, 1000, 0.3)], 7.25)
    assert told == [pytest.approx((0.15, 7.25))]


def test_what_is_told_of_packets_is_counted() -> None:
    estimate: Any = BandwidthEstimate()
    told: list[tuple[int, int]] = []

    def update(sent: int, lost: int, by_delay: float, now: float) -> None:
        told.append((sent, lost))
        estimate._by_loss.rate = 123_456.0

    estimate._by_loss.update = update
    estimate.take([PacketResult(0.0, 1000, 0.1), PacketResult(0.1, 1000, None)], 0.2)
    # The lower one of both counts at once.
    assert (told, estimate.rate) == ([(2, 1)], 123_456.0)
    estimate.take([PacketResult(0.1, 1000, 0.3, was_lost=True)], 0.4)
    assert told == [(2, 1), (0, -1)]


@pytest.mark.parametrize("direction", [1, -1])
def test_how_far_numbers_may_leap(direction: int) -> None:
    begin = HALF
    for step, is_another in ((HALF // 2, False), (HALF // 2 + 1, True)):
        record = ArrivalRecord(1)
        record.add(begin, 9, 0.0)
        there = begin + direction * step
        record.add(there, 9, 0.01)
        assert set(record._arrivals) == ({there} if is_another else {begin, there})


def test_what_is_old_is_not_kept() -> None:
    record = ArrivalRecord(1)
    record.add(0, 9, 0.0)
    record.add(1, 9, KEPT_SECONDS)
    record.feedback(KEPT_SECONDS)
    assert sorted(record._arrivals) == [0, 1]
    record.feedback(1.5 * KEPT_SECONDS)
    assert sorted(record._arrivals) == [1]
