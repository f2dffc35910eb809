"""The parts of the bandwidth estimate, each by itself."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.backend.media.congestion.bandwidth_estimate import ArrivalRate, BandwidthEstimate
from trio_rtc.rtc.backend.media.congestion.delay_gradient import ArrivalGroups, DelayGradient, Usage
from trio_rtc.rtc.backend.media.congestion.rate_control import (
    LEAST,
    TRANSITIONS,
    LossControl,
    RateControl,
)
from trio_rtc.rtc.backend.media.congestion.sent_packets import PacketResult, SentPackets
from trio_rtc.rtc.backend.media.congestion.transport_feedback import TransportFeedback

# What was sent.


def feedback(first: int, *arrivals: int | None) -> TransportFeedback:
    return TransportFeedback(1, 2, 0, first & 0xFFFF, arrivals)


def test_packets_are_told_of_once() -> None:
    sent = SentPackets()
    assert [sent.add(100 + n, n / 10) for n in range(4)] == [0, 1, 2, 3]
    assert sent.take(feedback(0, 4000, None, 4400)) == [
        PacketResult(0.0, 100, 1.0), PacketResult(0.1, 101, None), PacketResult(0.2, 102, 1.1)
    ]  # fmt: skip
    assert sent.take(feedback(0, 4000, None, 4400)) == []
    # One that was only late.
    assert sent.take(feedback(1, 4500)) == [PacketResult(0.1, 101, 1.125, was_lost=True)]
    assert len(sent) == 1


def test_numbers_wrap() -> None:
    sent = SentPackets()
    numbers = [sent.add(1, 1.0) for _ in range(70_000)]
    assert numbers[65_535:65_537] == [65_535, 0]
    assert len(sent) <= 1 << 15 | 1
    assert [r.arrived for r in sent.take(feedback(70_000 - 2, 400, 800))] == [0.1, 0.2]


def test_the_clock_of_feedback_wraps() -> None:
    sent = SentPackets()
    for _ in range(3):
        sent.add(1, 1.0)
    top = 1 << 32
    results = [sent.take(feedback(n, ticks)) for n, ticks in enumerate([top - 4, 0, 4])]
    times = [result.arrived for [result] in results]
    assert [round(1000 * (t - (times[0] or 0)), 3) for t in times if t is not None] == [0, 1, 2]


def test_what_nobody_tells_of_is_forgotten() -> None:
    sent = SentPackets()
    sent.add(1, 0.0)
    sent.add(1, 11.0)
    assert len(sent) == 1
    assert sent.take(feedback(0, 4)) == []


# The delay.


def test_what_is_sent_together_is_one_group() -> None:
    groups = ArrivalGroups()
    assert groups.add(0.0, 1.0) is None
    assert groups.add(0.004, 1.010) is None
    assert groups.add(0.030, 1.030) is None
    # From the last of the first group to the last of the second.
    assert groups.add(0.060, 1.061) == pytest.approx((0.026, 0.020))


def test_what_was_held_up_and_comes_at_once_is_one_group() -> None:
    groups = ArrivalGroups()
    for sent in (0.0, 0.02, 0.04):
        assert groups.add(sent, 1.05 + sent / 100) is None
    assert groups.add(0.1, 1.15) is None
    assert groups.add(0.2, 1.25) == pytest.approx((0.06, 0.0996))


def test_one_that_was_overtaken_is_left_out() -> None:
    groups = ArrivalGroups()
    groups.add(0.02, 1.02)
    assert groups.add(0.0, 1.03) is None
    groups.add(0.04, 1.04)
    assert groups.add(0.06, 1.06) == pytest.approx((0.02, 0.02))


def usage_after(growth: float, packets: int = 60) -> Usage:
    """After packets of which each takes by so many seconds longer than the one before."""
    gradient = DelayGradient()
    for n in range(packets):
        gradient.add(n * 0.03, 5 + n * (0.03 + growth))
    return gradient.usage


@pytest.mark.parametrize(
    ("growth", "usage"),
    [(0.0, "normal"), (0.0001, "normal"), (0.005, "overuse"), (-0.005, "underuse")],
)
def test_the_gradient(growth: float, usage: Usage) -> None:
    assert usage_after(growth) == usage


def test_a_gradient_needs_some_groups() -> None:
    assert usage_after(0.005, packets=15) == "normal"


def test_a_step_of_the_delay_is_no_overuse_for_long() -> None:
    gradient = DelayGradient()
    for n in range(40):
        gradient.add(n * 0.03, 5 + n * 0.03)
    for n in range(40, 120):
        gradient.add(n * 0.03, 5.03 + n * 0.03)
    assert gradient.usage == "normal"


# The rate.


def test_the_states() -> None:
    assert {after for (_, usage), after in TRANSITIONS.items() if usage == "overuse"} == {
        "decrease"
    }
    assert {after for (_, usage), after in TRANSITIONS.items() if usage == "underuse"} == {"hold"}
    # What has been lowered is not raised at once.
    assert TRANSITIONS["decrease", "normal"] == "hold"


def test_it_rises_quickly_at_first_and_slowly_after_an_overuse() -> None:
    control = RateControl(500_000)
    control.update("normal", 500_000, 0.05, 0.0)
    for step in range(1, 11):
        control.update("normal", 800_000, 0.05, step / 10)
    assert control.rate == pytest.approx(750_000, rel=0.01)
    control.update("overuse", 600_000, 0.05, 1.1)
    assert control.rate == 510_000
    for step in range(1, 13):
        control.update("normal", 600_000, 0.05, 1.1 + step / 10)
    # Half a packet in each time that an answer takes, and hardly any less.
    assert 530_000 < control.rate < 560_000


def test_it_does_not_rise_above_what_was_tried() -> None:
    control = RateControl(500_000)
    for step in range(200):
        control.update("normal", 200_000, 0.05, step / 10)
    assert control.rate == 500_000


def test_it_falls_by_what_arrives_once_a_round_trip() -> None:
    control = RateControl(1_000_000)
    control.update("overuse", 900_000, 0.1, 0.0)
    assert control.rate == 765_000
    control.update("overuse", 700_000, 0.1, 0.05)
    assert control.rate == 765_000
    control.update("overuse", 700_000, 0.1, 0.11)
    assert control.rate == 595_000
    # A sender that was held up sends little as well.
    control.update("overuse", 10_000, 0.1, 0.3)
    assert control.rate == 297_500
    for step in range(100):
        control.update("overuse", 0, 0.1, 1.0 + step)
    assert control.rate == LEAST


@pytest.mark.parametrize(
    ("share", "rate"), [(0.0, 1_050_000), (0.05, 1_000_000), (0.2, 900_000), (1.0, 500_000)]
)
def test_losses(share: float, rate: float) -> None:
    control = LossControl()
    control.rate = 1_000_000
    control.update(0, 0, 2_000_000, 0.0)
    control.update(100, round(100 * share), 2_000_000, 0.6)
    assert control.rate == pytest.approx(rate)


def test_losses_lower_what_the_delay_allows() -> None:
    control = LossControl()
    control.update(0, 0, 800_000, 0.0)
    control.update(100, 50, 800_000, 0.6)
    assert control.rate == 600_000


def test_what_was_late_was_not_lost() -> None:
    estimate = BandwidthEstimate(1_000_000)
    for step in range(20):
        now = step / 10
        sent = [PacketResult(now, 1200, None) for _ in range(5)]
        late = [PacketResult(now, 1200, now + 0.01, was_lost=True) for _ in range(5)]
        estimate.take([*sent, *late], now + 0.05)
    assert estimate.rate >= 1_000_000


def test_what_arrives() -> None:
    arriving = ArrivalRate()
    assert arriving.value is None
    for n in range(100):
        arriving.add(n / 100, 1250)
    assert arriving.value == pytest.approx(1_000_000)
    # What comes twice as fast shows before half a second is over.
    for n in range(1, 51):
        arriving.add(0.99 + n / 200, 1250)
    assert arriving.value == pytest.approx(2_000_000, rel=0.05)
