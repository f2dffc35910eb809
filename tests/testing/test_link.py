"""A link by itself: what arrives, and when."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from trio_rtc.testing.network.network_link import Link, LinkDirection

PACKETS = 20_000


def run(link: Link, size: int = 1000, pause: float = 0.01) -> list[tuple[float, ...]]:
    direction = LinkDirection(link, Random(1))
    return [direction.send(size, number * pause).arrivals for number in range(PACKETS)]


def test_a_quiet_link_delays() -> None:
    assert LinkDirection(Link(delay=0.5), Random(1)).send(100, 2.0).arrivals == (2.5,)


def test_the_same_chance_is_the_same_fate() -> None:
    link = Link(delay=0.02, jitter=0.01, loss=0.1, reordering=0.1, duplication=0.1)
    assert run(link) == run(link)


def test_loss_is_the_share_that_was_asked_for_in_bursts_too() -> None:
    for burst in (1, 5):
        fates = [not arrivals for arrivals in run(Link(loss=0.1, burst=burst))]
        losses = sum(fates)
        begun = sum(now and not before for before, now in pairwise(fates))
        assert 0.08 < losses / PACKETS < 0.12
        assert 0.85 * burst < losses / begun < 1.2 * burst


def test_jitter_keeps_the_order_and_reordering_does_not() -> None:
    def times(link: Link) -> list[float]:
        return [arrival for arrivals in run(link, pause=0.001) for arrival in arrivals]

    steady = times(Link(delay=0.02, jitter=0.02))
    assert steady == sorted(steady)
    assert max(steady) <= PACKETS * 0.001 + 0.04
    shaken = times(Link(delay=0.02, reordering=0.1))
    late = sum(now < before for before, now in pairwise(shaken))
    assert 0.08 < late / PACKETS < 0.12


def test_duplicates_come_twice() -> None:
    twice = sum(len(arrivals) == 2 for arrivals in run(Link(duplication=0.25)))
    assert 0.23 < twice / PACKETS < 0.27


def test_a_rate_spaces_packets_and_its_queue_is_bounded() -> None:
    direction = LinkDirection(Link(rate=8000, queue=2500), Random(1))
    passages = [direction.send(1000, 0.0) for _ in range(5)]
    assert [passage.arrivals for passage in passages] == [(1.0,), (2.0,), (3.0,), (), ()]
    assert passages[-1].fate == "queue full"
    assert direction.backlog(1.5) == 1500
    assert direction.send(1000, 3.0).arrivals == (4.0,)


def test_what_is_too_large_goes_in_fragments_or_not_at_all() -> None:
    direction = LinkDirection(Link(mtu=1200), Random(1))
    assert direction.send(1201, 0.0, may_fragment=False).fate == "too large"
    assert direction.send(1201, 0.0).fate == "arrives"
    # Of three fragments one is lost more often.
    lost = sum(not arrivals for arrivals in run(Link(loss=0.1, mtu=1000), size=3000))
    assert 0.24 < lost / PACKETS < 0.3


def test_a_change_changes_no_chance_of_later_packets() -> None:
    steady, changed = (LinkDirection(Link(loss=0.5), Random(1)) for _ in range(2))
    for number in range(100):
        changed.link = Link(loss=0.5, is_up=not 10 <= number < 20)
        fates = [direction.send(100, number).fate for direction in (steady, changed)]
        if not 10 <= number <= 20:
            assert fates[0] == fates[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", 1.5),
        ("duplication", -0.1),
        ("delay", -1.0),
        ("jitter", float("inf")),
        ("rate", 0.0),
        ("burst", 0.5),
        ("queue", -1),
        ("mtu", 20),
        ("queue", float("nan")),
        ("mtu", float("nan")),
    ],
)
def test_bad_values_are_told(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name if name not in ("queue", "mtu") else "MTU"):
        Link(**{name: value})  # type: ignore[arg-type]
