"""A room by itself: how much a step tells, to whom, and when a notice is forgotten."""

from __future__ import annotations

from trio_rtc.server.hub.presence import Presence, Room


class Listener:
    def __init__(self, noticed: int = 0) -> None:
        self.present = True
        self.noticed = noticed
        self.heard: list[int] = []


def hear(listener: Listener, notices: list[Presence]) -> None:
    listener.heard += [notice.id for notice in notices]


def room(*listeners: Listener) -> Room[Listener]:
    made: Room[Listener] = Room(hear)
    made.members.update(enumerate(listeners))
    return made


def told(made: Room[Listener], number: int) -> None:
    made.add(Presence(number, "somebody", connected=True))


def test_a_step_tells_so_much_and_no_more() -> None:
    listeners = [Listener() for _ in range(4)]
    made = room(*listeners)
    assert (made.end, made.is_behind) == (0, False)
    made.step(100)
    told(made, 1)
    assert (made.end, made.is_behind) == (1, True)
    # Each costs one for itself, and one for its notice.
    made.step(0)
    assert [listener.heard for listener in listeners] == [[]] * 4
    made.step(1)
    assert [listener.heard for listener in listeners] == [[1], [], [], []]
    made.step(4)
    assert [listener.heard for listener in listeners] == [[1], [1], [1], []]
    made.step(3)
    assert [listener.heard for listener in listeners] == [[1]] * 4
    assert not made.is_behind


def test_what_is_added_meanwhile_is_told_as_well() -> None:
    first, second = Listener(), Listener()
    made = room(first, second)
    told(made, 1)
    made.step(1)
    told(made, 2)
    made.step(3)
    assert (first.heard, second.heard) == ([1], [1, 2])
    assert made.is_behind
    made.step(2)
    assert (first.heard, second.heard) == ([1, 2], [1, 2])
    made.step(100)
    assert not made.is_behind
    # A member that has heard all costs one; nothing is told twice.
    told(made, 3)
    assert made.catch_up(first) == 1
    assert made.catch_up(first) == 0
    made.step(100)
    assert (first.heard, second.heard) == ([1, 2, 3], [1, 2, 3])


def test_who_has_come_later_hears_what_is_new() -> None:
    first = Listener()
    made = room(first)
    told(made, 1)
    late = made.members[7] = Listener(noticed=made.end)
    told(made, 2)
    made.step(100)
    assert (first.heard, late.heard) == ([1, 2], [2])


def test_who_has_gone_costs_nothing() -> None:
    gone, there = Listener(), Listener()
    made = room(gone, there)
    told(made, 1)
    made.step(0)
    gone.present = False
    made.step(1)
    assert (gone.heard, there.heard) == ([], [1])
