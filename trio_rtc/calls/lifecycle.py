"""The state machine of a call: from nothing said to nothing owed. No I/O, no clock.

Theory of operation
===================

Three sources tell of a call, and none knows of the others: the peer (an offer, a hang-up, its
leaving the server), the connection (it stands, is lost, is closed), and the program (it hangs up).
Their events come in any order, also after the end. `TRANSITIONS` says what each does in each state;
what it does not list changes nothing.

    NEW          we call, and the peer does not know it yet
    OFFERING     the peer has our offer
    ANSWERING    we have the peer's offer: it calls us, or our offer has given way to it
    FAILING      it has not come about, and the peer has not been told
    FAILED       it has not come about, and nobody waits for a word of it
    CONNECTED    the connection stands
    RESTORING    it has stood, nothing is heard any more, and ICE is restarted
    PEER_GONE    it stands, and the peer has left the server
    SERVER_GONE  it stands, and we have lost the server
    ENDING       the call is over, and the peer has not been told
    ENDED        the call is over, and nobody waits for a word of it

Three questions are answered by the state alone, and no flag beside it can be of another opinion:

* Who is owed a hang-up? A peer that has heard of the call and not of its end, as long as it can be
  told (`OWED_A_HANG_UP`). It is told when the program's block has been left, which is `HUNG_UP`;
  a call that the peer, or the loss of the server, has ended owes nothing.
* What does an error do? It ends a call that has not come about. Later (`COME_ABOUT`) it is about
  what was to be added to a call that goes on.
* Is a connection that is lost to be restored? Only from `CONNECTED`: a restart is an exchange of
  messages, and without a server there is none.

An end has a reason, which the transition tells that the call is over by; the first one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from ..wire.end_reasons import EndReason


class CallState(Enum):
    """Where a call stands; see above."""

    NEW = auto()
    OFFERING = auto()
    ANSWERING = auto()
    FAILING = auto()
    FAILED = auto()
    CONNECTED = auto()
    RESTORING = auto()
    PEER_GONE = auto()
    SERVER_GONE = auto()
    ENDING = auto()
    ENDED = auto()


class CallEvent(Enum):
    """What happens to a call."""

    OFFER_SENT = auto()
    OFFER_TAKEN = auto()
    """The peer's offer is the one that counts, and is to be answered."""
    CONNECTED = auto()
    DISCONNECTED = auto()
    """Nothing is heard over the connection any more, which may pass."""
    CONNECTION_LOST = auto()
    """There is no way to the other side, or none has been found in time."""
    CONNECTION_CLOSED = auto()
    PEER_HUNG_UP = auto()
    PEER_LEFT = auto()
    SUPERSEDED = auto()
    SERVER_LOST = auto()
    HUNG_UP = auto()
    """We are done with it; the peer has been told if it was owed that."""


@dataclass(frozen=True, slots=True)
class CallEnd:
    """Why a call is over.

    Attributes:
        reason: ``hung_up``: by us; ``peer_hung_up``; ``peer_left``: the other side has left
            the server; ``connection_lost``: the network between us failed;
            ``connection_closed``: the other side closed the connection without a word;
            ``superseded``: the other side has begun a new call.
        detail: what the one who hung up gave as the reason, if anything.
    """

    reason: EndReason
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


@dataclass(frozen=True, slots=True)
class Transition:
    """The next state and, if the call is over by it, why."""

    state: CallState
    reason: EndReason | None = None


def _to(state: CallState) -> Transition:
    return Transition(state)


def _failing(reason: EndReason) -> Transition:
    return Transition(CallState.FAILING, reason)


def _failed(reason: EndReason | None = None) -> Transition:
    return Transition(CallState.FAILED, reason)


def _ending(reason: EndReason) -> Transition:
    return Transition(CallState.ENDING, reason)


def _ended(reason: EndReason | None = None) -> Transition:
    return Transition(CallState.ENDED, reason)


TRANSITIONS: Final[Mapping[CallState, Mapping[CallEvent, Transition]]] = {
    CallState.NEW: {
        CallEvent.OFFER_SENT: _to(CallState.OFFERING),
        CallEvent.OFFER_TAKEN: _to(CallState.ANSWERING),
        CallEvent.CONNECTION_LOST: _failed("connection_lost"),
        CallEvent.CONNECTION_CLOSED: _failed("connection_closed"),
        CallEvent.PEER_LEFT: _failed("peer_left"),
        CallEvent.HUNG_UP: _failed("hung_up"),
    },
    CallState.OFFERING: {
        CallEvent.OFFER_TAKEN: _to(CallState.ANSWERING),
        CallEvent.CONNECTED: _to(CallState.CONNECTED),
        CallEvent.CONNECTION_LOST: _failing("connection_lost"),
        CallEvent.CONNECTION_CLOSED: _failing("connection_closed"),
        CallEvent.PEER_HUNG_UP: _failed("peer_hung_up"),
        CallEvent.PEER_LEFT: _failed("peer_left"),
        CallEvent.SUPERSEDED: _failed("superseded"),
        CallEvent.HUNG_UP: _failed("hung_up"),
    },
    CallState.ANSWERING: {
        CallEvent.CONNECTED: _to(CallState.CONNECTED),
        CallEvent.CONNECTION_LOST: _failing("connection_lost"),
        CallEvent.CONNECTION_CLOSED: _failing("connection_closed"),
        CallEvent.PEER_HUNG_UP: _failed("peer_hung_up"),
        CallEvent.PEER_LEFT: _failed("peer_left"),
        CallEvent.SUPERSEDED: _failed("superseded"),
        CallEvent.HUNG_UP: _failed("hung_up"),
    },
    CallState.FAILING: {
        CallEvent.PEER_HUNG_UP: _failed(),
        CallEvent.PEER_LEFT: _failed(),
        CallEvent.SUPERSEDED: _failed(),
        CallEvent.SERVER_LOST: _failed(),
        CallEvent.HUNG_UP: _failed(),
    },
    CallState.FAILED: {},
    CallState.CONNECTED: {
        CallEvent.DISCONNECTED: _to(CallState.RESTORING),
        CallEvent.CONNECTION_LOST: _ending("connection_lost"),
        CallEvent.CONNECTION_CLOSED: _ending("connection_closed"),
        CallEvent.PEER_HUNG_UP: _ended("peer_hung_up"),
        CallEvent.PEER_LEFT: _to(CallState.PEER_GONE),
        CallEvent.SUPERSEDED: _ended("superseded"),
        CallEvent.SERVER_LOST: _to(CallState.SERVER_GONE),
        CallEvent.HUNG_UP: _ended("hung_up"),
    },
    CallState.RESTORING: {
        CallEvent.CONNECTED: _to(CallState.CONNECTED),
        CallEvent.CONNECTION_LOST: _ending("connection_lost"),
        CallEvent.CONNECTION_CLOSED: _ending("connection_closed"),
        CallEvent.PEER_HUNG_UP: _ended("peer_hung_up"),
        # It has to show that it is heard, or is lost.
        CallEvent.PEER_LEFT: _to(CallState.PEER_GONE),
        CallEvent.SUPERSEDED: _ended("superseded"),
        CallEvent.SERVER_LOST: _ended("connection_lost"),
        CallEvent.HUNG_UP: _ended("hung_up"),
    },
    CallState.PEER_GONE: {
        CallEvent.DISCONNECTED: _ended("peer_left"),
        CallEvent.CONNECTION_LOST: _ended("peer_left"),
        CallEvent.CONNECTION_CLOSED: _ended("peer_left"),
        CallEvent.HUNG_UP: _ended("hung_up"),
    },
    CallState.SERVER_GONE: {
        CallEvent.DISCONNECTED: _ended("connection_lost"),
        CallEvent.CONNECTION_LOST: _ended("connection_lost"),
        CallEvent.CONNECTION_CLOSED: _ended("connection_closed"),
        CallEvent.HUNG_UP: _ended("hung_up"),
    },
    CallState.ENDING: {
        CallEvent.PEER_HUNG_UP: _ended(),
        CallEvent.PEER_LEFT: _ended(),
        CallEvent.SUPERSEDED: _ended(),
        CallEvent.SERVER_LOST: _ended(),
        CallEvent.HUNG_UP: _ended(),
    },
    CallState.ENDED: {},
}

COME_ABOUT: Final = frozenset(
    {
        CallState.CONNECTED,
        CallState.RESTORING,
        CallState.PEER_GONE,
        CallState.SERVER_GONE,
        CallState.ENDING,
        CallState.ENDED,
    }
)
"""The states of a call that stands, or has stood."""

OWED_A_HANG_UP: Final = frozenset(
    {
        CallState.OFFERING,
        CallState.ANSWERING,
        CallState.FAILING,
        CallState.CONNECTED,
        CallState.RESTORING,
        CallState.ENDING,
    }
)
"""The states in which the peer has heard of the call, not of its end, and can be told."""


class Lifecycle:
    """Steps one call through `TRANSITIONS`.

    Attributes:
        state: where the call stands.
        end: why it is over; None while it is not.
    """

    def __init__(self) -> None:
        self.state = CallState.NEW
        self.end: CallEnd | None = None

    @property
    def has_come_about(self) -> bool:
        """Whether the call stands, or has stood."""
        return self.state in COME_ABOUT

    @property
    def may_hear_a_hang_up(self) -> bool:
        """Whether the call goes on, and the peer can tell us of its end."""
        return self.end is None and CallEvent.PEER_HUNG_UP in TRANSITIONS[self.state]

    @property
    def owes_hang_up(self) -> bool:
        """Whether the peer is to be told of the end."""
        return self.state in OWED_A_HANG_UP

    def step(self, event: CallEvent, detail: str = "") -> bool:
        """Something has happened; tell whether the call is over by it.

        Args:
            event: what it is.
            detail: what goes with the reason, if the call is over by it.
        """
        transition = TRANSITIONS[self.state].get(event)
        if transition is None:
            return False
        self.state = transition.state
        if transition.reason is None:
            return False
        self.end = CallEnd(transition.reason, detail)
        return True
