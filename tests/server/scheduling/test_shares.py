"""Whoever has used the least time is next; who is alone has all of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.server.scheduling.shares import Shares


def taken(shares: Shares[int], seconds: dict[str, float], count: int) -> list[str]:
    """Who is next so many times, if what each does takes so long."""
    order = []
    for _ in range(count):
        share = shares.take()
        assert share is not None
        order.append(share[0])
        shares.charge(share[0], seconds[share[0]])
    return order


def test_what_one_has_is_done_in_order() -> None:
    shares: Shares[int] = Shares()
    assert shares.take() is None
    for number in range(3):
        shares.put("a", number)
    assert len(shares) == 3
    assert [shares.take() for _ in range(4)] == [("a", 0), ("a", 1), ("a", 2), None]
    assert (len(shares), shares.client_networks) == (0, 0)


def test_one_who_wants_all_leaves_others_half_of_the_time() -> None:
    shares: Shares[int] = Shares()
    for number in range(1000):
        shares.put("greedy", number)
        shares.put("other", number)
    order = taken(shares, {"greedy": 3.0, "other": 1.0}, 400)
    assert order.count("other") == 300


def test_whoever_comes_with_little_is_next() -> None:
    shares: Shares[int] = Shares()
    for number in range(1000):
        shares.put("greedy", number)
    seconds = {"greedy": 5.0, "modest": 0.1}
    taken(shares, seconds, 50)
    for _ in range(20):
        shares.put("modest", 0)
        assert taken(shares, seconds, 1) == ["modest"]
        taken(shares, seconds, 1)


def test_time_that_was_not_used_is_not_owed() -> None:
    """Who has been silent for long, and then wants all, gets no more than half."""
    shares: Shares[int] = Shares()
    for number in range(1000):
        shares.put("busy", number)
    seconds = {"busy": 1.0, "late": 1.0}
    taken(shares, seconds, 500)
    for number in range(200):
        shares.put("late", number)
    assert taken(shares, seconds, 100).count("late") == 50


def test_what_somebody_uses_beside_its_jobs_counts() -> None:
    shares: Shares[int] = Shares()
    for number in range(10):
        shares.put("a", number)
        shares.put("b", number)
    shares.charge("a", 4.5)
    assert taken(shares, {"a": 1.0, "b": 1.0}, 6).count("b") == 5
    # Nobody has to have something waiting for that.
    shares.charge("c", 9.0)
    shares.put("c", 0)
    assert "c" not in taken(shares, {"a": 1.0, "b": 1.0}, 12)


def test_with_nothing_left_all_is_forgotten() -> None:
    shares: Shares[int] = Shares()
    shares.put("a", 0)
    shares.put("b", 0)
    shares.charge("a", 100.0)
    taken(shares, {"a": 0.0, "b": 0.0}, 2)
    shares.charge("a", 100.0)
    assert shares.client_networks == 0
    shares.put("a", 1)
    shares.put("b", 1)
    assert taken(shares, {"a": 1.0, "b": 1.0}, 2) == ["a", "b"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.floats(0.001, 10), st.booleans()),
        min_size=1,
        max_size=200,
    )
)
def test_nobody_waits_for_more_than_one_job_of_each_other(
    events: list[tuple[str, float, bool]],
) -> None:
    """Whatever came before: one who has used nothing is next after one of each, at the latest."""
    shares: Shares[int] = Shares()
    for client_network, seconds, is_job in events:
        if is_job:
            shares.put(client_network, 0)
        elif (share := shares.take()) is not None:
            shares.charge(share[0], seconds)
    waiting = len(shares)
    shares.put("new", 0)
    order = []
    while (share := shares.take()) is not None:
        order.append(share[0])
        shares.charge(share[0], 1.0)
    assert len(order) == waiting + 1
    assert order.index("new") <= 4
