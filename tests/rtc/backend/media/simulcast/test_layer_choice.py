"""Which layer a viewer gets, by what is known of its path."""

from __future__ import annotations

from collections.abc import Sequence

from trio_rtc.rtc.backend.media.simulcast.layer_choice import (
    LONGEST_SECONDS,
    PROVEN_SECONDS,
    TRIAL_SECONDS,
    LayerChoice,
    LayerRate,
    PathState,
)
from trio_rtc.rtc.backend.media.simulcast.layer_rates import GONE_SECONDS, LayerRates

LAYERS = [LayerRate("l", 150_000), LayerRate("m", 500_000), LayerRate("h", 1_500_000)]
STEP = 0.1


class Path:
    """A path that says what it carries as an estimate does: little more than what is tried."""

    def __init__(self, carries: float):
        self.carries = carries
        self.estimate = 500_000.0
        self.choice = LayerChoice()
        self.now = 0.0
        self.chosen: list[str] = []

    def go_on(self, seconds: float, layers: Sequence[LayerRate] = LAYERS) -> list[str]:
        """The layers that are chosen one after the other meanwhile."""
        self.chosen = []
        until = self.now + seconds
        while self.now < until:
            self.now += STEP
            rates = dict(layers)
            sent = rates.get(self.choice.rid or "", 0.0)
            is_congested = sent > self.carries
            if is_congested:
                self.estimate = 0.85 * self.carries
            elif sent:
                self.estimate = max(self.estimate, min(1.5 * sent + 10_000, 20_000_000))
                self.estimate = min(self.estimate, 1.5 * sent + 10_000)
            path = PathState(self.estimate, is_congested)
            rid = self.choice.choose(layers, path, self.now)
            assert rid is not None
            if not self.chosen or self.chosen[-1] != rid:
                self.chosen.append(rid)
        return self.chosen


def test_a_wide_path_has_all_of_it_after_a_while() -> None:
    path = Path(10_000_000)
    # What it begins with is known to fit, and each of the others is tried.
    assert path.go_on(0.2) == ["l"]
    assert path.go_on(3 * TRIAL_SECONDS) == ["l", "m", "h"]
    assert path.go_on(60) == ["h"]


def test_a_narrow_path_keeps_what_it_carries() -> None:
    path = Path(600_000)
    path.go_on(TRIAL_SECONDS + 1)
    assert path.choice.rid == "m"
    path.go_on(120)
    # More is tried now and then, for one step, and ever more seldom.
    assert path.choice.rid == "m"
    tried = path.go_on(4 * LONGEST_SECONDS).count("h")
    assert 3 <= tried <= 4


def test_the_least_layer_is_sent_whatever_the_path_carries() -> None:
    path = Path(20_000)
    path.go_on(60)
    assert path.chosen[-1] == "l"
    assert set(path.go_on(LONGEST_SECONDS)) <= {"l", "m"}


def test_a_path_that_becomes_narrow_gets_less_at_once() -> None:
    path = Path(10_000_000)
    path.go_on(20)
    path.carries = 200_000
    assert path.go_on(0.3) == ["l"]
    path.carries = 10_000_000
    assert path.go_on(3 * TRIAL_SECONDS)[-1] == "h"


def test_a_layer_up_that_fails_makes_the_next_one_wait_longer() -> None:
    path = Path(200_000)
    last = 0.0
    waits: list[float] = []
    while len(waits) < 3:
        if path.go_on(STEP)[-1] == "m":
            waits.append(path.now - last)
            last = path.now
    first, second, third = waits
    assert first <= TRIAL_SECONDS + 2 * STEP
    assert second > 1.5 * TRIAL_SECONDS
    assert third > 1.5 * second
    # One that stands makes it as short as it was.
    path.carries = 10_000_000
    while path.choice.rid != "m":
        path.go_on(STEP)
    began = path.now
    while path.choice.rid != "h":
        path.go_on(STEP)
    assert path.now - began < PROVEN_SECONDS + TRIAL_SECONDS


def test_a_figure_that_is_low_is_no_congestion() -> None:
    choice = LayerChoice()
    for step in range(200):
        choice.choose(LAYERS, PathState(400_000), STEP * step)
    assert choice.rid == "h"


def test_a_path_of_which_nothing_is_known_gets_all() -> None:
    choice = LayerChoice()
    assert choice.choose(LAYERS, PathState(), 0.0) == "h"
    assert choice.choose(LAYERS[:1], PathState(), 1.0) == "l"
    assert choice.choose(LAYERS, PathState(), 1.5) == "l"
    assert choice.choose(LAYERS, PathState(), 2.1) == "h"


def test_a_limit_is_kept_to() -> None:
    choice = LayerChoice()
    assert choice.choose(LAYERS, PathState(limit=700_000), 0.0) == "m"
    for step in range(1000):
        # Rates go up and down, the layer does not.
        rate = 500_000 + 200_000 * (step % 2)
        layers = [LAYERS[0], LayerRate("m", rate), LAYERS[2]]
        assert choice.choose(layers, PathState(limit=700_000), STEP * step) == "m"
    assert choice.choose(LAYERS, PathState(limit=10_000), 200.0) == "l"


def test_before_there_is_a_layer_there_is_no_choice() -> None:
    choice = LayerChoice()
    assert choice.choose([], PathState(), 0.0) is None
    assert choice.choose(LAYERS[:1], PathState(10_000), 0.1) == "l"
    # And while all of them pause, it stays.
    assert choice.choose([], PathState(), 0.2) == "l"


def test_rates_and_their_order() -> None:
    rates = LayerRates()
    sizes = {"a": (4_000, 921_600), "b": (500, 57_600), "c": (1_500, 230_400)}
    for step in range(90):
        for rid, (size, pixels) in sizes.items():
            rates.add(rid, size, pixels if step == 0 else None, step / 30)
    found = rates.current()
    assert [layer.rid for layer in found] == ["b", "c", "a"]
    for (_, rate), size in zip(found, (500, 1_500, 4_000), strict=True):
        assert 0.95 < rate / (8 * 30 * size) < 1.05
    # One of which nothing comes while others go on is left out, and so is one without a keyframe.
    for step in range(90, 90 + int(30 * GONE_SECONDS) + 2):
        for rid in ("b", "c", "d"):
            rates.add(rid, 500, None, step / 30)
    assert [layer.rid for layer in rates.current()] == ["b", "c"]
    rates.add("a", 9_000, 921_600, 5.0)
    assert [layer.rid for layer in rates.current()][-1] == "a"


def test_where_all_layers_pause_none_is_gone() -> None:
    rates = LayerRates()
    rates.add("a", 100, 100, 0.0)
    rates.add("b", 100, 200, 0.0)
    assert [layer.rid for layer in rates.current()] == ["a", "b"]
