"""Requests of many viewers for keyframes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.backend.media.receiving.keyframe_collapse import (
    COLLAPSE_SECONDS,
    KeyframeCollapse,
)


def test_many_ask_and_the_publisher_hears_it_once() -> None:
    collapse = KeyframeCollapse()
    assert [collapse.ask(10 + n / 100) for n in range(10)] == [True] + [False] * 9
    collapse.arrive(10.2)
    assert collapse.due is None
    assert not collapse.look(11)


def test_who_has_missed_a_keyframe_is_not_forgotten() -> None:
    collapse = KeyframeCollapse()
    assert collapse.ask(10)
    collapse.arrive(10.1)
    assert not collapse.ask(10.2)
    assert collapse.due == 10.1 + COLLAPSE_SECONDS
    assert not collapse.look(10.3)
    assert collapse.look(10.7)
    assert collapse.due is None


@given(st.lists(st.tuples(st.sampled_from(["ask", "arrive"]), st.floats(0.01, 1)), max_size=40))
def test_requests_are_apart_and_each_is_answered(events: list[tuple[str, float]]) -> None:
    collapse, now = KeyframeCollapse(), 0.0
    asked: list[float] = []
    waits = False
    for what, wait in events:
        end = now + wait
        while collapse.due is not None and collapse.due <= end:
            now = collapse.due
            assert collapse.look(now)
            asked.append(now)
        now = end
        if what == "arrive":
            collapse.arrive(now)
            waits = False
        else:
            waits = True
            if collapse.ask(now):
                asked.append(now)
        # Somebody who waits is either asked for, or is going to be.
        assert not waits or collapse.due is not None or asked
    assert all(b - a >= COLLAPSE_SECONDS - 1e-9 for a, b in pairwise(asked))
