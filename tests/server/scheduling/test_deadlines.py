"""What is due at a moment of its own, and that nothing is kept for what is not."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from trio_rtc.server.scheduling.deadlines import Deadlines


def test_a_deadline_that_is_reached_is_told_of_once() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for deadline, thing in ((7, "a"), (5, "b"), (9, "c")):
        deadlines.set(thing, deadline)
    assert list(deadlines.due(4.9)) == []
    assert list(deadlines.due(7)) == ["b", "a"]
    assert list(deadlines.due(7)) == []
    assert len(deadlines) == 1


def test_things_of_one_moment_need_no_order() -> None:
    deadlines: Deadlines[object] = Deadlines()
    things = [object(), object(), object()]
    for thing in things:
        deadlines.set(thing, 1)
    assert list(deadlines.due(1)) == things


def test_the_next_deadline_is_of_what_still_has_one() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.next == math.inf
    for deadline, thing in ((3, "a"), (5, "b"), (8, "c")):
        deadlines.set(thing, deadline)
    assert (deadlines.next, deadlines.get("a")) == (3, 3)
    deadlines.set("a", 9)
    assert deadlines.next == 5
    deadlines.end("b")
    deadlines.end("b")
    assert (deadlines.next, deadlines.get("b")) == (8, math.inf)
    deadlines.set("c", math.inf)
    assert (deadlines.next, len(deadlines)) == (9, 1)
    assert list(deadlines.due(8)) == []
    assert list(deadlines.due(9)) == ["a"]
    assert deadlines.next == math.inf


def test_what_is_moved_often_takes_no_more_room() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for moment in range(1000):
        deadlines.set(moment % 10, moment)
        # Those that were moved stay for a while: as many again as there are, and some.
        assert len(deadlines._heap) <= 2 * len(deadlines) + 64
    assert len(deadlines) == 10
    assert list(deadlines.due(999)) == [moment % 10 for moment in range(990, 1000)]


def test_what_is_moved_seldom_is_left_where_it_is() -> None:
    deadlines: Deadlines[str] = Deadlines()
    # Until there are 64 too many, nobody looks through all of them.
    for moment in range(66):
        deadlines.set("a", moment)
    assert len(deadlines._heap) == 66
    deadlines.set("a", 66)
    assert len(deadlines._heap) == 1
    assert list(deadlines.due(66)) == ["a"]


class DeadlinesMachine(RuleBasedStateMachine):
    """As if everything were looked at each time."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlines: Deadlines[int] = Deadlines()
        self.known: dict[int, float] = {}
        self.now = 0

    @rule(thing=st.integers(0, 9), seconds=st.integers(0, 12) | st.just(math.inf))
    def set(self, thing: int, seconds: float) -> None:
        self.deadlines.set(thing, self.now + seconds)
        self.known[thing] = self.now + seconds
        if seconds == math.inf:
            del self.known[thing]

    @rule(thing=st.integers(0, 9))
    def end(self, thing: int) -> None:
        self.deadlines.end(thing)
        self.known.pop(thing, None)

    @rule(seconds=st.integers(0, 12))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        due = list(self.deadlines.due(self.now))
        assert sorted(due) == sorted(t for t, moment in self.known.items() if moment <= self.now)
        moments = [self.known.pop(thing) for thing in due]
        assert moments == sorted(moments)
        assert len(self.deadlines) == len(self.known)


DeadlinesMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestDeadlinesMachine = DeadlinesMachine.TestCase
