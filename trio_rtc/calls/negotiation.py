"""Offer/answer: who offers, who answers, and when a candidate may be applied. No I/O.

`Negotiation` takes the messages of the other peer and tells what to do about each. Whoever
drives it says what has been done in the meantime. Its states are those of RFC 9429, section 3.2
(W3C WebRTC, section 4.3.1), without provisional answers, and one more:

    new                 stable, and nothing has been described: what comes now may be of a call
                        before this one, or the beginning of one
    stable              no offer is under way
    have-local-offer    we have offered
    have-remote-offer   the other side has offered, and we answer
    closed              the call is over

`TRANSITIONS` has what leads from one to the other. An offer that crosses ours, which gives way to
it, is a rollback and the new offer in one step (RFC 9429, section 4.1.10.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from ..errors import NegotiationError
from ..wire.messages import Authenticate, Bye, IceCandidate, Message, SessionDescription

MAX_PENDING_CANDIDATES = 256
"""Candidates kept until the description that they belong to is there."""

GRACE_SECONDS = 2.0
"""How long the other side may take to answer our offer, rather than wait for an answer to its."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Apply this offer and answer it."""

    offer: SessionDescription


@dataclass(frozen=True, slots=True)
class Accept:
    """Apply this answer to our offer."""

    answer: SessionDescription


@dataclass(frozen=True, slots=True)
class Yield:
    """Both sides have offered at once, and ours is the one to go: start over with theirs."""

    offer: SessionDescription


@dataclass(frozen=True, slots=True)
class TakeBack:
    """The same in a call that stands: roll our offer back, answer theirs, then offer again."""

    offer: SessionDescription


@dataclass(frozen=True, slots=True)
class AddCandidate:
    """Apply this candidate now."""

    candidate: IceCandidate


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing to do: the candidate is pending, and kept here until its description is applied."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Both sides have offered at once: call `Negotiation.give_way` after `GRACE_SECONDS`.

    Attributes:
        crossing: which time this is, for `Negotiation.give_way`.
    """

    crossing: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing to do: the message is late, or of another call."""

    why: str


@dataclass(frozen=True, slots=True)
class End:
    """The other peer has hung up."""

    reason: str


@dataclass(frozen=True, slots=True)
class Supersede:
    """The other peer starts a new call: this one is over, and the offer is for the next."""

    offer: SessionDescription


Description: TypeAlias = Answer | Accept | TakeBack
Action: TypeAlias = Description | Yield | AddCandidate | Keep | Wait | Drop | End | Supersede


class NegotiationState(Enum):
    """Where an exchange stands; see above."""

    NEW = "new"
    STABLE = "stable"
    HAVE_LOCAL_OFFER = "have-local-offer"
    HAVE_REMOTE_OFFER = "have-remote-offer"
    CLOSED = "closed"


class Described(Enum):
    """What has been done about a description, or about all."""

    LOCAL_OFFER = auto()
    REMOTE_OFFER = auto()
    LOCAL_ANSWER = auto()
    REMOTE_ANSWER = auto()
    ROLLBACK = auto()
    CLOSE = auto()


TRANSITIONS: Final[Mapping[NegotiationState, Mapping[Described, NegotiationState]]] = {
    NegotiationState.NEW: {
        Described.LOCAL_OFFER: NegotiationState.HAVE_LOCAL_OFFER,
        Described.REMOTE_OFFER: NegotiationState.HAVE_REMOTE_OFFER,
    },
    NegotiationState.STABLE: {
        Described.LOCAL_OFFER: NegotiationState.HAVE_LOCAL_OFFER,
        Described.REMOTE_OFFER: NegotiationState.HAVE_REMOTE_OFFER,
        Described.CLOSE: NegotiationState.CLOSED,
    },
    NegotiationState.HAVE_LOCAL_OFFER: {
        Described.REMOTE_OFFER: NegotiationState.HAVE_REMOTE_OFFER,
        Described.REMOTE_ANSWER: NegotiationState.STABLE,
        Described.ROLLBACK: NegotiationState.STABLE,
        Described.CLOSE: NegotiationState.CLOSED,
    },
    NegotiationState.HAVE_REMOTE_OFFER: {
        Described.LOCAL_ANSWER: NegotiationState.STABLE,
        Described.ROLLBACK: NegotiationState.STABLE,
        Described.CLOSE: NegotiationState.CLOSED,
    },
    NegotiationState.CLOSED: {},
}


class Negotiation:
    """The offer/answer exchange of one call (RFC 3264, RFC 9429) and its candidates (RFC 8838).

    Args:
        polite: whether our offer gives way when both sides offer at once, as exactly one of two
            peers of ours does. Of an offer without the id of a call, which no peer of ours makes,
            nobody knows: browsers take theirs back when they get ours, and answer that; many other
            stacks cannot. So it is kept for `GRACE_SECONDS`, and then ours gives way. What the
            other side has shown once is known from then on.
        call: the id for a call of ours, which tells it from those before it. A call that we
            answer has the id of its offer.
    """

    def __init__(self, *, polite: bool, call: str | None = None):
        self._polite = polite
        self._call = call
        self._state = NegotiationState.NEW
        self._established = False
        self._remote_has_ids = False
        self._crossing: SessionDescription | None = None
        self._crossings = 0
        self._remote_takes_back: bool | None = None
        self._generations: frozenset[str] = frozenset()
        self._pending: list[IceCandidate] = []
        # Needs of an exchange, counted: the newest, the newest that an offer is for, the
        # newest whose exchange is complete, and the newest that came to nothing.
        self._needed = self._offered = self._settled = self._failed = 0
        self._offers = 0

    @property
    def may_offer(self) -> bool:
        """Whether an offer is needed, and nothing else is under way."""
        return self._state is NegotiationState.STABLE and self._needed > self._offered

    def needed(self) -> int:
        """An exchange is needed that begins with an offer of ours; the number of the need."""
        self._needed += 1
        return self._needed

    def outcome(self, need: int) -> bool | None:
        """Whether a need has been settled; None as long as nobody knows."""
        if self._settled >= need:
            return True
        return False if self._failed >= need else None

    @property
    def bye_call(self) -> str | None:
        """The id for our hang-up: without it, it takes the form that every client knows."""
        return self._call if self._remote_has_ids else None

    @property
    def call(self) -> str | None:
        """The id for our descriptions and candidates; none if the other side knows of none."""
        return self._call

    @property
    def is_established(self) -> bool:
        """Whether an exchange has been completed: another one is about a call that stands."""
        return self._established

    def offered(self) -> int:
        """Our offer is on its way; the number of the offer."""
        if Described.LOCAL_OFFER not in TRANSITIONS[self._state]:
            raise NegotiationError("an offer is under way", code="wrong_state", fault="local")
        self._step(Described.LOCAL_OFFER)
        self._offered = self._needed
        self._offers += 1
        return self._offers

    def is_offering(self, number: int) -> bool:
        """Whether this offer is neither answered nor given up."""
        return self._state is NegotiationState.HAVE_LOCAL_OFFER and self._offers == number

    def abandoned(self) -> None:
        """The exchange has come to nothing: things are as they were before it."""
        self._crossing = None
        if self._state is NegotiationState.HAVE_LOCAL_OFFER:
            self._failed = self._offered
        self._step(Described.ROLLBACK)

    def applied(self, description: SessionDescription) -> list[IceCandidate]:
        """A remote description has been applied; the candidates that waited for it come out."""
        self._generations = frozenset(re.findall(r"^a=ice-ufrag:(\S+)", description.sdp, re.M))
        pending, self._pending = self._pending, []
        return [
            candidate
            for candidate in pending
            if not self._is_stale(candidate.call) and self._is_described(candidate)
        ]

    def _is_described(self, candidate: IceCandidate) -> bool:
        """Whether the remote description is of this candidate's ICE generation."""
        known, generation = self._generations, candidate.generation
        return bool(known) and (generation is None or generation in known)

    def completed(self, *, needs_offer: bool = False) -> None:
        """Our answer has been sent, or theirs applied.

        Args:
            needs_offer: whether there is still something that only an offer of ours brings.
        """
        answering = self._state is NegotiationState.HAVE_REMOTE_OFFER
        if not needs_offer:
            self._offered = self._needed
        elif answering or self._needed == self._offered:
            self.needed()
        if not (answering and needs_offer):
            self._settled = self._offered
        self._step(Described.LOCAL_ANSWER if answering else Described.REMOTE_ANSWER)
        self._established = True

    def _step(self, described: Described) -> None:
        self._state = TRANSITIONS[self._state].get(described, self._state)

    def receive(self, message: Message) -> Action:
        """What to do about a message of the other peer."""
        if self._state is NegotiationState.CLOSED:
            return Drop("the call has ended")
        if isinstance(message, Bye):
            return self._receive_bye(message)
        if isinstance(message, IceCandidate):
            return self._receive_candidate(message)
        if isinstance(message, Authenticate):
            return Drop("about a code that is not asked for")
        if message.type == "offer":
            return self._receive_offer(message)
        return self._receive_answer(message)

    def _is_stale(self, call: str | None) -> bool:
        return call is not None and call != self._call

    def _receive_bye(self, bye: Bye) -> Action:
        if self._state is NegotiationState.NEW:
            # What came before it was of that call, too.
            self._pending.clear()
            return Drop("the hang-up of a call before this one")
        if self._is_stale(bye.call):
            return Drop("the hang-up of another call")
        self._step(Described.CLOSE)
        return End(bye.reason)

    def _receive_candidate(self, candidate: IceCandidate) -> Action:
        if self._state is NegotiationState.NEW:
            # Before any description nobody can tell whose it is; its offer will.
            return self._keep(candidate)
        if self._is_stale(candidate.call):
            if self._state is NegotiationState.HAVE_LOCAL_OFFER and self._gives_way_to(
                candidate.call
            ):
                # Theirs, if their offer, which crosses ours, is still to come.
                return self._keep(candidate)
            return Drop("a candidate of another call")
        # It may be of a restart whose description is still on its way.
        return AddCandidate(candidate) if self._is_described(candidate) else self._keep(candidate)

    def _keep(self, candidate: IceCandidate) -> Action:
        if len(self._pending) >= MAX_PENDING_CANDIDATES:
            return Drop("too many pending candidates")
        self._pending.append(candidate)
        return Keep()

    def _receive_offer(self, offer: SessionDescription) -> Action:
        if self._established and self._is_stale(offer.call):
            self._step(Described.CLOSE)
            return Supersede(offer)
        if self._state is NegotiationState.HAVE_REMOTE_OFFER:
            return Drop("an offer in the middle of an exchange")
        if self._state is not NegotiationState.HAVE_LOCAL_OFFER:
            self._take_up(offer)
            return Answer(offer)
        if offer.call is None and self._remote_takes_back is None:
            self._crossing = offer
            self._crossings += 1
            return Wait(self._crossings)
        if not self._gives_way_to(offer.call):
            return Drop("an offer that crosses ours, which stands")
        return self._give_way_to(offer)

    def _gives_way_to(self, call: str | None) -> bool:
        return self._polite if call is not None else not self._remote_takes_back

    def _give_way_to(self, offer: SessionDescription) -> Action:
        self._take_up(offer)
        if not self._established:
            return Yield(offer)
        self._offered = self._settled
        return TakeBack(offer)

    def give_way(self, crossing: int) -> Action | None:
        """An offer that crosses ours has been kept for so long; what to do, if still anything.

        Args:
            crossing: of the `Wait` that is over. The offer may have been settled since, and another
                one cross ours, whose time is not.
        """
        offer = self._crossing
        if offer is None or crossing != self._crossings:
            return None
        self._crossing = None
        self._remote_takes_back = False
        return self._give_way_to(offer)

    def _take_up(self, offer: SessionDescription) -> None:
        self._set_remote_call(offer.call)
        self._step(Described.REMOTE_OFFER)

    def _receive_answer(self, answer: SessionDescription) -> Action:
        if self._state is not NegotiationState.HAVE_LOCAL_OFFER:
            return Drop("an answer that nobody asked for")
        if self._is_stale(answer.call):
            return Drop("the answer to another call")
        self._set_remote_call(answer.call)
        if self._crossing is not None:
            self._crossing = None
            self._remote_takes_back = True
        return Accept(answer)

    def _set_remote_call(self, call: str | None) -> None:
        # A call that stands keeps its id, also if a message of it comes without.
        if not self._established:
            self._call = call
            self._remote_has_ids = call is not None
