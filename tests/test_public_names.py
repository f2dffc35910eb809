"""What programs rely on stays: the snapshot of the public names, and how a break of it is told."""

from __future__ import annotations

import pytest

from .scripts import script

names = script("public_names")


def test_nothing_that_programs_rely_on_has_gone() -> None:
    """On purpose: ``python scripts/public_names.py --write``, after what CONTRIBUTING.md says."""
    before = names.from_text(names.SNAPSHOT.read_text())
    assert list(names.broken(before, names.public_names())) == []


def test_the_snapshot_reads_back() -> None:
    now = names.public_names()
    assert names.from_text(names.as_text(now)) == now
    assert now["trio_rtc.Call"] == []
    assert "*silence_timeout=" in now["trio_rtc.open_call"]
    assert "trio_rtc.server.authorize.jwt_tokens" in now


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("a.f(x)", "a.f(x)", ""),
        ("a.f(x)", "a.f(x, *y=)", ""),
        ("a.f(x)", "a.f(x, y=)", ""),
        ("a.f(x)", "a.f(x=)", ""),
        ("a.f(*x)", "a.f(*x=)", ""),
        ("a.f(*x)", "a.f(**options)", ""),
        ("a.f", "a.g", "a.f has gone"),
        ("a.f(x)", "a.f(z)", "a.f: parameter 1 was x, and is z"),
        ("a.f(x, y)", "a.f(y, x)", "a.f: parameter 1 was x, and is y"),
        ("a.f(x, y=)", "a.f(x, *y=)", "a.f: parameter 2 was y, and is nothing"),
        ("a.f(*x=)", "a.f", "a.f takes no x any more"),
        ("a.f(x=)", "a.f(x)", "a.f has to be given x now"),
        ("a.f(x)", "a.f(x, *y)", "a.f has to be given y now"),
    ],
)
def test_what_breaks_programs(before: str, now: str, told: str) -> None:
    found = list(names.broken(names.from_text(before), names.from_text(now)))
    assert told in found if told else found == []


def test_what_is_new_is_no_break_but_comes_into_the_snapshot() -> None:
    before, now = names.from_text("a.f(x)"), names.from_text("a.f(x, *y=)\na.g")
    assert names.added(before, now) == ["a.f", "a.g"]
    assert list(names.broken(before, now)) == []
