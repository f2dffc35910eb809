"""Work in steps: a turn does so much of it."""

from __future__ import annotations

from trio_rtc.server.scheduling.steps import Turn


def test_a_turn_does_not_ask_for_more_than_it_does() -> None:
    things = iter(range(10))
    turn = Turn(4)
    assert list(turn.some(things)) == [0, 1, 2, 3]
    assert turn.is_over
    assert list(turn.some(things)) == []
    turn = Turn(7)
    assert list(turn.some(things)) == [4, 5, 6, 7, 8, 9]
    assert not turn.is_over
