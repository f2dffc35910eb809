"""How much somebody may do in a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.wire.rate import TokenBucket


def test_the_wait_for_the_next() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=100)
    assert bucket.delay(100) == 0
    assert bucket.take(2, 100)
    # One is left.
    assert bucket.delay(100) == 0
    assert bucket.take(1, 100)
    assert bucket.delay(100) == pytest.approx(0.5)
    assert bucket.delay(100.2) == pytest.approx(0.3)
    assert bucket.delay(100.5) == pytest.approx(0)
    assert bucket.delay(200) == 0
    # To ask costs nothing.
    assert bucket.take(1, 100.5)


def test_the_wait_is_as_long_as_it_is_slow() -> None:
    bucket = TokenBucket(rate=0.25, burst=1, now=0)
    assert bucket.take(1, 0)
    assert bucket.delay(1) == pytest.approx(3)


@given(st.floats(0.1, 100), st.integers(1, 20), st.lists(st.floats(0, 10), max_size=30))
def test_after_the_wait_one_may_happen_and_not_before(
    rate: float, burst: int, pauses: list[float]
) -> None:
    now, bucket = 0.0, TokenBucket(rate, burst, 0.0)
    for pause in pauses:
        now += pause
        wait = bucket.delay(now)
        if wait > 1e-6:
            assert not bucket.take(1, now)
        now += wait + 1e-6
        assert bucket.take(1, now)
