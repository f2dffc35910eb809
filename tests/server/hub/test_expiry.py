"""What is due, in which order, and how little is looked at for it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from trio_rtc.server.hub.expiry import Expiry
from trio_rtc.wire.rate import TokenBucket


def test_only_what_has_waited_for_longer_is_due() -> None:
    expiry: Expiry[str] = Expiry(30)
    for now, thing in enumerate("abc"):
        expiry.begin(thing, now)
    assert list(expiry.due(30)) == []
    assert "a" in expiry
    assert "d" not in expiry
    expiry.begin("a", 5)
    expiry.end("c")
    assert "c" not in expiry
    expiry.end("c")
    assert list(expiry.due(31.5)) == ["b"]
    assert list(expiry.due(35)) == []
    assert list(expiry.due(1000)) == ["a"]
    assert len(expiry) == 0


def test_something_that_is_due_may_end_others_and_begin_again() -> None:
    expiry: Expiry[str] = Expiry(1)
    for thing in "abc":
        expiry.begin(thing, 0)
    seen = []
    for thing in expiry.due(5):
        seen.append(thing)
        expiry.end("b")
        expiry.begin(thing, 5)
    assert seen == ["a", "c"]
    assert len(expiry) == 2


class ExpiryMachine(RuleBasedStateMachine):
    """As if everything were looked at each time."""

    def __init__(self) -> None:
        super().__init__()
        self.expiry: Expiry[int] = Expiry(10)
        self.now = 0.0
        self.since: dict[int, float] = {}

    @rule(thing=st.integers(0, 9))
    def begin(self, thing: int) -> None:
        self.expiry.begin(thing, self.now)
        self.since[thing] = self.now

    @rule(thing=st.integers(0, 9))
    def end(self, thing: int) -> None:
        self.expiry.end(thing)
        self.since.pop(thing, None)

    @rule(seconds=st.integers(0, 12))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        due = {thing for thing, since in self.since.items() if self.now - since > 10}
        assert set(self.expiry.due(self.now)) == due
        for thing in due:
            del self.since[thing]
        assert len(self.expiry) == len(self.since)
        assert [thing in self.expiry for thing in range(10)] == [
            thing in self.since for thing in range(10)
        ]


ExpiryMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestExpiryMachine = ExpiryMachine.TestCase


def test_a_bucket_gives_a_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=2, burst=5, now=100)
    assert bucket.take(5, 100)
    assert not bucket.take(1, 100)
    assert not bucket.take(1, 100.4)
    assert bucket.take(1, 100.5)
    assert not bucket.take(1, 100.5)
    assert bucket.take(5, 1000)
    assert not bucket.take(1, 1000)


def test_what_is_refused_costs_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=3, now=0)
    assert not bucket.take(4, 0)
    assert bucket.take(3, 0)
