"""The table of a call's life: sequences of events, and what holds in all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import pytest

from trio_rtc.calls.lifecycle import (
    COME_ABOUT,
    OWED_A_HANG_UP,
    TRANSITIONS,
    CallEnd,
    CallEvent,
    CallState,
    Lifecycle,
)
from trio_rtc.wire.end_reasons import EndReason

DESIGN = Path(__file__).parent.parent.parent / "docs" / "design.md"

OVER = {CallState.FAILING, CallState.FAILED, CallState.ENDING, CallState.ENDED}


def lived(events: str) -> Lifecycle:
    """A call in which these events have happened, written as in the figure."""
    life = Lifecycle()
    for event in filter(None, events.split(", ")):
        life.step(CallEvent[event.upper().replace(" ", "_")])
    return life


#: What happens, where the call stands then, whether the peer is owed a hang-up, and why it is over.
LIVES: list[tuple[str, CallState, bool, EndReason | None]] = [
    ("", CallState.NEW, False, None),
    ("hung up", CallState.FAILED, False, "hung_up"),
    ("offer sent", CallState.OFFERING, True, None),
    ("offer taken", CallState.ANSWERING, True, None),
    ("offer sent, offer taken", CallState.ANSWERING, True, None),
    ("offer taken, offer sent", CallState.ANSWERING, True, None),
    ("offer sent, connected", CallState.CONNECTED, True, None),
    ("offer sent, peer hung up", CallState.FAILED, False, "peer_hung_up"),
    ("offer sent, superseded", CallState.FAILED, False, "superseded"),
    ("offer sent, peer left", CallState.FAILED, False, "peer_left"),
    ("offer sent, connection lost", CallState.FAILING, True, "connection_lost"),
    ("offer sent, connection closed, hung up", CallState.FAILED, False, "connection_closed"),
    ("offer taken, disconnected", CallState.ANSWERING, True, None),
    ("offer taken, connected", CallState.CONNECTED, True, None),
    ("offer taken, connection lost, connected", CallState.FAILING, True, "connection_lost"),
    ("offer taken, connected, hung up", CallState.ENDED, False, "hung_up"),
    ("offer taken, connected, hung up, peer hung up", CallState.ENDED, False, "hung_up"),
    ("offer taken, connected, peer hung up, hung up", CallState.ENDED, False, "peer_hung_up"),
    ("offer taken, connected, connection closed", CallState.ENDING, True, "connection_closed"),
    ("offer sent, connected, disconnected", CallState.RESTORING, True, None),
    ("offer sent, connected, disconnected, connected", CallState.CONNECTED, True, None),
    ("offer sent, connected, disconnected, superseded", CallState.ENDED, False, "superseded"),
    (
        "offer sent, connected, disconnected, connection lost",
        CallState.ENDING,
        True,
        "connection_lost",
    ),
    (
        "offer sent, connected, disconnected, connection lost, peer hung up",
        CallState.ENDED,
        False,
        "connection_lost",
    ),
    # Without signaling a call goes on, is not restored, and owes nothing.
    ("offer sent, connected, peer left", CallState.PEER_GONE, False, None),
    ("offer sent, connected, peer left, connection lost", CallState.ENDED, False, "peer_left"),
    ("offer sent, connected, peer left, connection closed", CallState.ENDED, False, "peer_left"),
    ("offer sent, connected, peer left, hung up", CallState.ENDED, False, "hung_up"),
    ("offer sent, connected, disconnected, peer left", CallState.PEER_GONE, False, None),
    ("offer sent, connected, peer left, disconnected", CallState.ENDED, False, "peer_left"),
    ("offer sent, connected, server lost", CallState.SERVER_GONE, False, None),
    ("offer sent, connected, server lost, disconnected", CallState.ENDED, False, "connection_lost"),
    (
        "offer sent, connected, server lost, connection closed",
        CallState.ENDED,
        False,
        "connection_closed",
    ),
    ("offer sent, connected, disconnected, server lost", CallState.ENDED, False, "connection_lost"),
    # While a call is set up, the loss of the server is an error, and ends nothing by itself.
    ("offer sent, server lost", CallState.OFFERING, True, None),
]


@pytest.mark.parametrize(("events", "state", "owed", "reason"), LIVES)
def test_where_a_call_stands(
    events: str, state: CallState, owed: bool, reason: EndReason | None
) -> None:
    life = lived(events)
    assert (life.state, life.owes_hang_up) == (state, owed)
    assert life.has_come_about == (state in COME_ABOUT)
    assert (life.end.reason if life.end else None) == reason


def test_a_step_tells_of_the_end_once_and_keeps_its_detail() -> None:
    life = lived("offer sent, connected")
    assert not life.step(CallEvent.DISCONNECTED, "nothing of an end")
    assert life.end is None
    assert life.step(CallEvent.CONNECTION_LOST, "the first")
    assert not life.step(CallEvent.PEER_HUNG_UP, "the second")
    assert life.end == CallEnd("connection_lost", "the first")
    assert (str(life.end), str(CallEnd("hung_up"))) == ("connection_lost: the first", "hung_up")


def lives(length: int) -> Iterator[tuple[CallState, ...]]:
    """The states of a call in all sequences of so many events."""
    for events in product(CallEvent, repeat=length):
        life = Lifecycle()
        states = [life.state]
        for event in events:
            end = life.end
            told = life.step(event)
            assert told == (life.end is not end)
            assert not told or end is None
            assert (life.end is not None) == (life.state in OVER)
            states.append(life.state)
        yield tuple(states)


def test_what_holds_in_every_order() -> None:
    seen: set[CallState] = set()
    for states in set(lives(4)):
        seen.update(states)
        for before, after in pairwise(states):
            # What has come about has done so for good, and what is over stays so.
            assert before not in COME_ABOUT or after in COME_ABOUT
            assert before not in OVER or after in OVER
            assert before not in OVER or after not in COME_ABOUT or before in COME_ABOUT
            # Nobody comes to be owed a hang-up by a call that can reach nobody, or that is over.
            assert after not in OWED_A_HANG_UP or before in OWED_A_HANG_UP | {CallState.NEW}
    assert seen == set(CallState)


@pytest.mark.parametrize("state", [state for state in CallState if TRANSITIONS[state]])
def test_hanging_up_settles_every_call(state: CallState) -> None:
    life = Lifecycle()
    life.state = state
    life.step(CallEvent.HUNG_UP)
    assert life.state in {CallState.FAILED, CallState.ENDED}
    assert not life.owes_hang_up


def test_the_figure_is_the_table() -> None:
    (figure,) = re.findall(r"^```mermaid\n(.*?)^```$", DESIGN.read_text(), re.S | re.M)
    arrows = re.findall(r"^ *(\w+) --> (\w+): (.*)$", figure, re.M)
    drawn = {
        (CallState[before], CallEvent[event.upper().replace(" ", "_")], CallState[after])
        for before, after, events in arrows
        for event in events.split(", ")
    }
    assert drawn == {
        (before, event, transition.state)
        for before, row in TRANSITIONS.items()
        for event, transition in row.items()
    }
