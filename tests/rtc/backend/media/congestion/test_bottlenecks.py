"""What becomes of video on paths with a rate and a queue: filled, and no picture stands still."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.backend.media.congestion.bandwidth_estimate import START
from trio_rtc.testing import Link

from .bottleneck import Bottleneck, Flow, Process, on_a_busy_machine

WARM_UP = 15.0


def sent_over(link: Link, seconds: float = 45.0, most: float = 20e6) -> Flow:
    net = Bottleneck(link)
    flow = net.add(Flow(most=most))
    net.run(seconds)
    return flow


@pytest.mark.parametrize("delay", [0.01, 0.025, 0.1])
@pytest.mark.parametrize("queue", [8_000, 22_500])
def test_a_small_queue_before_1_mbit(delay: float, queue: int) -> None:
    rate = 1e6
    flow = sent_over(Link(rate=rate, queue=queue, delay=delay))
    assert flow.share(rate, WARM_UP, 45) > 0.8
    assert flow.standstill(WARM_UP) < 0.3
    # It finds what the path carries by delay, and not by losses.
    assert flow.lost < 0.002 * flow.sent
    assert flow.queueing(WARM_UP) < 0.05


@pytest.mark.parametrize("rate", [3e5, 3e6])
def test_other_rates(rate: float) -> None:
    flow = sent_over(Link(rate=rate, queue=22_500, delay=0.025))
    assert flow.share(rate, WARM_UP, 45) > 0.8
    assert flow.standstill(WARM_UP) < 0.3


def test_losses_and_jitter_that_tell_of_no_queue() -> None:
    rate = 1e6
    flow = sent_over(Link(rate=rate, queue=22_500, delay=0.025, loss=0.01, jitter=0.01))
    assert flow.share(rate, WARM_UP, 45) > 0.75


def test_a_path_that_carries_less_from_some_time_on_and_then_more() -> None:
    net = Bottleneck(Link(rate=2e6, queue=22_500, delay=0.025))
    flow = net.add(Flow())
    net.run(20)
    net.wire.link = Link(rate=5e5, queue=22_500, delay=0.025)
    net.run(40)
    # What it finds in the first seconds does not fit, and is lost.
    assert max(rate for at, rate in flow.rates if at > 24) < 6e5
    assert flow.share(5e5, 25, 40) > 0.8
    assert flow.standstill(24) < 0.3
    net.wire.link = Link(rate=2e6, queue=22_500, delay=0.025)
    net.run(75)
    assert flow.share(2e6, 65, 75) > 0.7


def test_two_share_a_path() -> None:
    rate = 2e6
    net = Bottleneck(Link(rate=rate, queue=45_000, delay=0.025))
    flows = [net.add(Flow(begin=begin)) for begin in (0.0, 5.0)]
    net.run(80)
    shares = [flow.share(rate, 40, 80) for flow in flows]
    assert sum(shares) > 0.8
    assert min(shares) > 0.3
    assert all(flow.standstill(20) < 0.3 for flow in flows)


def test_a_camera_that_makes_less_than_the_path_carries() -> None:
    flow = sent_over(Link(rate=20e6, queue=60_000, delay=0.025), 20, most=1.5e6)
    # There is room for it within seconds, and what was never tried is not believed in.
    assert next(at for at, rate in flow.rates if rate > 1.5e6) < 5
    assert flow.rates[-1][1] < 4e6
    assert flow.lost == 0


def test_without_feedback_less_and_less_is_sent() -> None:
    net = Bottleneck(Link(rate=2e6, queue=22_500, delay=0.025))
    flow = net.add(Flow())
    net.run(10)
    before = flow.rates[-1][1]
    net.wire.link = Link(is_up=False)
    net.run(14)
    assert flow.rates[-1][1] < before / 2
    net.wire.link = Link(rate=2e6, queue=22_500, delay=0.025)
    net.run(16)
    assert max(flow.pictures.values()) > 15.9


@pytest.mark.parametrize("end", ["sender", "receiver", "both"])
@pytest.mark.parametrize("seed", range(3))
def test_a_busy_machine_is_no_full_path(end: str, seed: int) -> None:
    net = Bottleneck(Link(rate=20e6, queue=60_000, delay=0.025), seed)
    held_up = {
        name: on_a_busy_machine(10 * seed + number)
        for number, name in enumerate(["sender", "receiver"])
        if end in (name, "both")
    }
    flow = net.add(Flow(most=1.5e6), **held_up)
    net.run(20)
    # Keyframes of an encoder that is opened anew for a higher rate take their time.
    assert flow.left_out < 0.03 * len(flow.rates)
    assert min(rate for _, rate in flow.rates) > 0.9 * START


@pytest.mark.parametrize("end", ["sender", "receiver"])
def test_one_who_stands_still_for_seconds_goes_on_as_before(end: str) -> None:
    net = Bottleneck(Link(rate=20e6, queue=60_000, delay=0.025))
    pauses = [(10.0, 14.0), (16.0, 19.0)]
    flow = net.add(Flow(most=1.5e6), **{end: Process(pauses)})
    net.run(22)
    before = [rate for at, rate in flow.rates if 9 < at < 10]
    for _, goes_on in pauses:
        # Half a second may pass until there is feedback again.
        after = [rate for at, rate in flow.rates if goes_on + 0.5 < at < goes_on + 1]
        assert min(after) >= before[-1]
    during = [rate for at, rate in flow.rates if 11.5 < at < 14]
    assert end == "sender" or min(during) < before[-1] / 2
