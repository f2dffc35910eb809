"""The sender over paths with delay, loss, jitter and others, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest

from trio_rtc.rtc.backend.sctp.machine.bbr import CYCLE, MARGIN, Bbr
from trio_rtc.rtc.backend.sctp.machine.congestion import Acknowledged
from trio_rtc.rtc.backend.sctp.machine.cubic import Cubic
from trio_rtc.rtc.backend.sctp.machine.outbound import UserMessage
from trio_rtc.rtc.backend.sctp.machine.rtt import RTO_MAX

from .link import Link, Network, path, pour, run_together

START = 2.0


def share(network: Network, rate: float, seconds: float) -> tuple[float, float]:
    """The share of the link that arrives after the start, and the mean wait in its queue."""
    pour(network, 0)
    network.run(START)
    link, host = network.links[0], network.hosts[1]
    arrived, waited, packets = host.arrived, link.waited, link.packets
    network.run(START + seconds)
    return (
        (host.arrived - arrived) / seconds / (rate * 1e6 / 8),
        (link.waited - waited) / (link.packets - packets),
    )


@pytest.mark.parametrize("loss", [0, 0.001, 0.01, 0.03])
@pytest.mark.parametrize("trip", [0.02, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("rate", [10, 100])
def test_four_fifths_of_the_link_with_hardly_a_queue(rate: int, trip: float, loss: float) -> None:
    reached, wait = share(path(rate, trip, loss=loss), rate, 8 * trip)
    assert reached > 0.8
    assert wait < 0.3 * trip


@pytest.mark.parametrize(("rate", "trip"), [(10, 0.02), (10, 0.1), (10, 0.2), (50, 0.05)])
def test_cubic_fills_a_link_that_loses_nothing(rate: int, trip: float) -> None:
    assert share(path(rate, trip, control=Cubic), rate, 2.0)[0] > 0.8


@pytest.mark.parametrize(("rate", "trip"), [(10, 0.02), (10, 0.1), (10, 0.2), (100, 0.05)])
@pytest.mark.parametrize("control", [Bbr, Cubic])
def test_jitter_costs_less_than_a_fifth(rate: int, trip: float, control: Any) -> None:
    steady, _ = share(path(rate, trip, control=control), rate, 1.5)
    shaken, _ = share(path(rate, trip, control=control, jitter=0.01), rate, 1.5)
    assert shaken > 0.8 * steady


def flows(*controls: Any, rate: float = 20, trip: float = 0.05, seconds: float = 9.0) -> list[int]:
    """What arrives of flows that share a link and begin a second after each other."""
    networks = [path(rate, trip, control=control) for control in controls]
    for number, network in enumerate(networks):
        network.links = networks[0].links
        network.at(float(number), lambda network=network: pour(network, 0))  # type: ignore[misc]
    run_together(4.0, *networks)
    before = [network.hosts[1].arrived for network in networks]
    run_together(4.0 + seconds, *networks)
    return [network.hosts[1].arrived - b for network, b in zip(networks, before, strict=True)]


@pytest.mark.parametrize("controls", [(Bbr, Cubic), (Cubic, Bbr), (Bbr, Bbr)])
def test_flows_are_fair_to_each_other(controls: tuple[Any, Any]) -> None:
    one, two = flows(*controls)
    assert 0.5 < one / two < 2


class Reckless(Bbr):
    """One that gives way to no loss and drains no queue of others, as BBR in its first version."""

    def _give_way(self, ack: Acknowledged) -> None:
        pass

    def _begin_cycle(self, phase: int, now: float) -> None:
        super()._begin_cycle(phase, now)
        self._gain = CYCLE[phase]

    def _set(self, ack: Acknowledged) -> None:
        super()._set(ack)
        if self.rate is not None:
            self.rate /= MARGIN


@pytest.mark.parametrize("controls", [(Bbr, Reckless), (Reckless, Bbr)])
def test_who_gives_way_to_no_loss_does_not_take_all(controls: tuple[Any, Any]) -> None:
    shares = flows(*controls, trip=0.02, seconds=5.0)
    ours = shares[controls.index(Bbr)]
    assert ours > 0.4 * sum(shares)


@pytest.mark.parametrize("control", [Bbr, Cubic])
def test_one_loss_is_repaired_once(control: Any) -> None:
    network = path(10, 0.1, control=control)
    there = network.links[0]
    there.loses = lambda number: number == 30
    sender, host = network.hosts[0].sender, network.hosts[1]
    for _ in range(100):
        sender.send(UserMessage(0, 53, bytes(1384)), network.now)
    network.kick(0)
    network.run(10.0, lambda: sender.is_idle)
    assert host.chunks == 100
    assert there.packets == 101
    assert network.now < 1.3


def answered(lost: Callable[[int], bool], trip: float = 0.1) -> float:
    """Seconds until eleven messages of 1 kB are acknowledged, after others that were."""
    network = path(10, trip)
    sender = network.hosts[0].sender
    for _ in range(3):
        sender.send(UserMessage(0, 53, bytes(1000)), network.now)
        network.kick(0)
        network.run(network.now + 5.0, lambda: sender.is_idle)
    first = network.links[0].packets
    network.links[0].loses = lambda number: lost(number - first)
    began = network.now
    for _ in range(11):
        sender.send(UserMessage(0, 53, bytes(1000)), network.now)
    network.kick(0)
    network.run(began + 10.0, lambda: sender.is_idle)
    assert sender.is_idle
    return network.now - began


def test_whichever_packet_of_a_few_is_lost_costs_no_timeout() -> None:
    times = [answered(lambda number, lost=lost: number == lost) for lost in range(11)]  # type: ignore[misc]
    # A trip, and one for what was lost, found by what follows it; the last is probed for.
    assert median(times) < 0.3
    assert max(times) < 0.5


def test_at_five_per_cent_a_question_is_answered_soon() -> None:
    times = []
    for seed in range(40):
        chance = random.Random(seed)
        times.append(answered(lambda _, chance=chance: chance.random() < 0.05))  # type: ignore[misc]
    assert median(times) < 0.3
    assert sorted(times)[35] < 0.7


@pytest.mark.parametrize(("interleaves", "size"), [(False, 16), (True, 256)])
def test_a_message_beside_bulk_does_not_wait_for_it(interleaves: bool, size: int) -> None:
    trip = 0.1
    network = path(10, trip, interleaves=interleaves)
    pour(network, 0, size=size * 1024)
    network.run(3.0)
    host = network.hosts[1]
    times = []
    for _ in range(20):
        asked = network.now
        host.log.clear()
        network.hosts[0].sender.send(UserMessage(2, 53, bytes(100)), network.now)
        network.kick(0)
        network.run(asked + 2.0, lambda: bool(host.log))
        times.append(network.now - asked)
        network.run(network.now + 0.05)
    # One way is half a trip; before it are one message of the bulk, or one packet, and the queue.
    assert max(times) < 1.5 * trip


def reordering(network: Network, packets: int) -> None:
    """Have each seventh packet be overtaken by so many."""
    for link in network.links[:1]:
        arrivals = link.arrivals

        def late(now: float, size: int, *, link: Link = link, arrivals: Any = arrivals) -> Any:
            number = link.packets
            times = arrivals(now, size)
            delay = packets * size / (link.rate or 1.0)
            return [at + delay for at in times] if number % 7 == 0 else times

        link.arrivals = late  # type: ignore[method-assign]


def test_a_path_that_reorders_by_200_packets() -> None:
    network = path(100, 0.05)
    reordering(network, 200)
    reached, _ = share(network, 100, 2.0)
    assert reached > 0.6


def test_a_path_that_doubles_everything() -> None:
    network = path(10, 0.05)
    for link in network.links:
        link.duplicates = 1.0
    reached, _ = share(network, 10, 2.0)
    assert reached > 0.8
    # And nothing was taken for lost for it.
    assert network.links[0].packets < 1.15 * network.hosts[1].chunks


def test_a_trip_that_becomes_ten_times_as_long() -> None:
    for control in (Bbr, Cubic):
        network = path(10, 0.03, control=control)
        pour(network, 0)
        network.run(3.0)
        for link in network.links:
            link.delay *= 10
        network.run(20.0)
        arrived = network.hosts[1].arrived
        network.run(24.0)
        assert (network.hosts[1].arrived - arrived) / 4.0 > 0.8 * 10e6 / 8 * 0.9


def test_a_path_that_carries_64_kilobytes_and_nothing_more() -> None:
    network = path(10, 0.05)
    there, sender = network.links[0], network.hosts[0].sender
    there.loses = lambda number: number >= 44
    pour(network, 0)
    network.run(4.0)
    packets = there.packets
    network.run(64.0)
    # It asks once in a while, and keeps no more than what it had.
    assert 60 / RTO_MAX - 3 < there.packets - packets < 60 / RTO_MAX + 3
    assert sender.in_flight < 300_000
    there.loses = lambda _: False
    arrived = network.hosts[1].arrived
    network.run(70.0)
    assert network.hosts[1].arrived - arrived > 2_000_000
