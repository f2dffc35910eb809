from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from trio_rtc.calls import negotiation as todo
from trio_rtc.calls.negotiation import (
    MAX_PENDING_CANDIDATES,
    TRANSITIONS,
    Negotiation,
    NegotiationState,
)
from trio_rtc.errors import NegotiationError
from trio_rtc.rtc.connection_view import SignalingState
from trio_rtc.wire.messages import Bye, IceCandidate, SessionDescription

SDP = "v=0\r\na=ice-ufrag:abcd\r\n"
OFFER = SessionDescription(type="offer", sdp=SDP, call="theirs")
ANSWER = SessionDescription(type="answer", sdp=SDP, call="ours")
CLASSIC_OFFER = SessionDescription(type="offer", sdp=SDP)
CLASSIC_ANSWER = SessionDescription(type="answer", sdp=SDP)


def candidate(call: str | None = None) -> IceCandidate:
    line = "candidate:1 1 udp 1 192.0.2.1 5000 typ host"
    return IceCandidate(candidate=line, sdp_mid="0", sdp_m_line_index=0, call=call)


def caller(polite: bool = False) -> Negotiation:
    negotiation = Negotiation(polite=polite, call="ours")
    negotiation.offered()
    return negotiation


def connected_caller(answer: SessionDescription = ANSWER, *, polite: bool = False) -> Negotiation:
    negotiation = caller(polite)
    assert negotiation.receive(answer) == todo.Accept(answer)
    negotiation.applied(answer)
    negotiation.completed()
    return negotiation


def connected_callee(offer: SessionDescription = OFFER) -> Negotiation:
    negotiation = Negotiation(polite=False)
    assert negotiation.receive(offer) == todo.Answer(offer)
    negotiation.applied(offer)
    negotiation.completed()
    return negotiation


def test_the_caller_takes_the_answer_and_then_candidates() -> None:
    negotiation = connected_caller()
    found = candidate(call="ours")
    assert negotiation.receive(found) == todo.AddCandidate(found)


def test_the_callee_answers_with_the_id_of_the_offer() -> None:
    negotiation = connected_callee()
    assert negotiation.call == "theirs"
    found = candidate(call="theirs")
    assert negotiation.receive(found) == todo.AddCandidate(found)


def test_candidates_before_the_answer_wait_for_it() -> None:
    negotiation = caller()
    first, second = candidate(call="ours"), candidate()
    assert negotiation.receive(first) == todo.Keep()
    assert negotiation.receive(second) == todo.Keep()
    negotiation.receive(ANSWER)
    assert negotiation.applied(ANSWER) == [first, second]
    assert negotiation.applied(ANSWER) == []


def test_candidates_before_the_offer_wait_for_it() -> None:
    negotiation = Negotiation(polite=False)
    theirs, stale = candidate(call="theirs"), candidate(call="yesterday's")
    assert negotiation.receive(theirs) == todo.Keep()
    assert negotiation.receive(stale) == todo.Keep()
    negotiation.receive(OFFER)
    assert negotiation.applied(OFFER) == [theirs]


def test_candidates_of_a_restart_before_its_answer_wait_for_it() -> None:
    negotiation = connected_caller()
    negotiation.needed()
    negotiation.offered()
    new = replace(candidate(call="ours"), username_fragment="efgh")
    assert negotiation.receive(new) == todo.Keep()
    end = replace(new, candidate="")
    assert negotiation.receive(end) == todo.Keep()
    old = replace(candidate(call="ours"), username_fragment="abcd")
    assert negotiation.receive(old) == todo.AddCandidate(old)
    answer = replace(ANSWER, sdp=SDP.replace("abcd", "efgh"))
    assert negotiation.receive(answer) == todo.Accept(answer)
    assert negotiation.applied(answer) == [new, end]
    assert negotiation.receive(new) == todo.AddCandidate(new)


def test_candidates_that_no_description_tells_of_are_forgotten() -> None:
    negotiation = connected_caller()
    stray = replace(candidate(call="ours"), username_fragment="stray")
    assert negotiation.receive(stray) == todo.Keep()
    assert negotiation.applied(ANSWER) == []
    assert negotiation.applied(replace(ANSWER, sdp=SDP.replace("abcd", "stray"))) == []


def test_early_candidates_are_bounded() -> None:
    negotiation = caller()
    for _ in range(MAX_PENDING_CANDIDATES):
        assert negotiation.receive(candidate()) == todo.Keep()
    assert isinstance(negotiation.receive(candidate()), todo.Drop)


@pytest.mark.parametrize("polite", [True, False])
def test_candidates_of_another_call_are_dropped(polite: bool) -> None:
    negotiation = connected_caller(polite=polite)
    assert isinstance(negotiation.receive(candidate(call="yesterday's")), todo.Drop)
    ours = candidate(call="ours")
    assert negotiation.receive(ours) == todo.AddCandidate(ours)


def test_nothing_is_done_after_the_end() -> None:
    negotiation = connected_caller()
    assert negotiation.receive(Bye(reason="enough", call="ours")) == todo.End("enough")
    for message in (candidate(), ANSWER, CLASSIC_OFFER, Bye()):
        assert isinstance(negotiation.receive(message), todo.Drop)


def test_the_bye_of_another_call_ends_nothing() -> None:
    negotiation = connected_caller()
    assert isinstance(negotiation.receive(Bye(call="yesterday's")), todo.Drop)
    assert negotiation.receive(Bye()) == todo.End("")


def test_a_peer_without_ids_gets_the_classic_bye() -> None:
    assert caller().bye_call is None
    assert connected_caller(CLASSIC_ANSWER).bye_call is None
    assert connected_caller(CLASSIC_ANSWER).call is None
    assert connected_callee(CLASSIC_OFFER).bye_call is None
    assert connected_caller().bye_call == "ours"
    assert connected_callee().bye_call == "theirs"


def test_of_two_crossing_offers_the_impolite_one_stands() -> None:
    polite, impolite = caller(polite=True), caller(polite=False)
    assert isinstance(impolite.receive(OFFER), todo.Drop)
    early = candidate(call="theirs")
    assert polite.receive(early) == todo.Keep()
    assert polite.receive(OFFER) == todo.Yield(OFFER)
    assert polite.applied(OFFER) == [early]
    polite.completed()
    assert polite.call == "theirs"
    assert impolite.receive(ANSWER) == todo.Accept(ANSWER)


@pytest.mark.parametrize("polite", [False, True])
def test_one_who_does_not_answer_our_offer_has_its_own_answered(polite: bool) -> None:
    first = caller(polite)
    assert first.receive(candidate()) == todo.Keep()
    assert first.receive(CLASSIC_OFFER) == todo.Wait(1)
    assert first.give_way(1) == todo.Yield(CLASSIC_OFFER)
    assert first.applied(CLASSIC_OFFER) == [candidate()]
    standing = connected_caller(CLASSIC_ANSWER, polite=polite)
    standing.needed()
    standing.offered()
    assert standing.receive(CLASSIC_OFFER) == todo.Wait(1)
    assert standing.give_way(1) == todo.TakeBack(CLASSIC_OFFER)
    standing.completed(needs_offer=True)
    # From now on it is known.
    standing.offered()
    assert standing.receive(CLASSIC_OFFER) == todo.TakeBack(CLASSIC_OFFER)
    standing.completed(needs_offer=True)
    assert standing.may_offer


@pytest.mark.parametrize("polite", [False, True])
def test_one_who_takes_back_its_offer_is_the_polite_one(polite: bool) -> None:
    negotiation = connected_caller(CLASSIC_ANSWER, polite=polite)
    for action in (todo.Wait(1), todo.Drop("an offer that crosses ours, which stands")):
        negotiation.needed()
        negotiation.offered()
        assert negotiation.receive(CLASSIC_OFFER) == action
        assert negotiation.receive(CLASSIC_ANSWER) == todo.Accept(CLASSIC_ANSWER)
        negotiation.completed()
        assert negotiation.give_way(1) is None


def test_an_offer_that_is_given_up_gives_way_to_nothing() -> None:
    negotiation = connected_caller(CLASSIC_ANSWER)
    negotiation.offered()
    assert negotiation.receive(CLASSIC_OFFER) == todo.Wait(1)
    negotiation.abandoned()
    assert negotiation.give_way(1) is None


def test_a_time_that_is_over_is_of_its_own_crossing_only() -> None:
    """As if the first of two offers of ours had come to nothing within the time to give way."""
    negotiation = connected_caller(CLASSIC_ANSWER)
    negotiation.offered()
    assert negotiation.receive(CLASSIC_OFFER) == todo.Wait(1)
    negotiation.abandoned()
    negotiation.offered()
    assert negotiation.receive(CLASSIC_OFFER) == todo.Wait(2)
    assert negotiation.give_way(1) is None
    assert negotiation.give_way(2) == todo.TakeBack(CLASSIC_OFFER)
    assert negotiation.give_way(2) is None


def test_an_answer_that_nobody_asked_for_is_dropped() -> None:
    for negotiation in (Negotiation(polite=True), connected_callee(), connected_caller()):
        assert isinstance(negotiation.receive(CLASSIC_ANSWER), todo.Drop)
    assert isinstance(
        caller().receive(SessionDescription(type="answer", sdp=SDP, call="other")), todo.Drop
    )


def test_another_offer_in_a_call_renegotiates_or_supersedes_it() -> None:
    again = SessionDescription(type="offer", sdp=SDP + "x", call="theirs")
    assert connected_callee().receive(again) == todo.Answer(again)
    assert connected_callee(CLASSIC_OFFER).receive(CLASSIC_OFFER) == todo.Answer(CLASSIC_OFFER)
    other = SessionDescription(type="offer", sdp=SDP, call="another")
    assert connected_callee().receive(other) == todo.Supersede(other)


def test_an_offer_during_an_exchange_is_dropped() -> None:
    negotiation = Negotiation(polite=False)
    negotiation.receive(OFFER)
    assert isinstance(negotiation.receive(OFFER), todo.Drop)
    with pytest.raises(NegotiationError) as caught:
        negotiation.offered()
    assert caught.value.code == "wrong_state"


def test_what_comes_before_a_call_of_ours_is_of_the_one_before() -> None:
    negotiation = Negotiation(polite=False, call="ours")
    assert negotiation.receive(candidate()) == todo.Keep()
    assert isinstance(negotiation.receive(Bye()), todo.Drop)
    assert isinstance(negotiation.receive(CLASSIC_ANSWER), todo.Drop)
    negotiation.offered()
    negotiation.receive(ANSWER)
    assert negotiation.applied(ANSWER) == []


def test_an_offer_that_was_there_first_is_answered() -> None:
    negotiation = Negotiation(polite=False, call="ours")
    assert negotiation.receive(OFFER) == todo.Answer(OFFER)
    assert negotiation.call == "theirs"


def test_of_two_crossing_offers_in_a_call_the_polite_one_is_taken_back() -> None:
    polite, impolite = connected_caller(polite=True), connected_caller(polite=False)
    again = SessionDescription(type="offer", sdp=SDP, call="ours")
    for negotiation in (polite, impolite):
        negotiation.needed()
        negotiation.offered()
    assert isinstance(impolite.receive(again), todo.Drop)
    assert polite.receive(again) == todo.TakeBack(again)
    assert not polite.may_offer
    polite.completed(needs_offer=True)
    # What it wanted is still to come.
    assert polite.may_offer


def test_a_wish_is_met_by_our_offer_and_its_answer() -> None:
    negotiation = connected_caller()
    assert not negotiation.may_offer
    need = negotiation.needed()
    assert negotiation.may_offer
    assert negotiation.outcome(need) is None
    negotiation.offered()
    later = negotiation.needed()
    assert not negotiation.may_offer
    assert negotiation.receive(ANSWER) == todo.Accept(ANSWER)
    negotiation.completed(needs_offer=True)
    assert negotiation.outcome(need) is True
    assert negotiation.outcome(later) is None
    assert negotiation.may_offer


def test_a_need_may_be_settled_by_an_answer_of_ours() -> None:
    negotiation = connected_callee()
    need = negotiation.needed()
    offer = SessionDescription(type="offer", sdp=SDP, call="theirs")
    assert negotiation.receive(offer) == todo.Answer(offer)
    negotiation.completed(needs_offer=False)
    assert negotiation.outcome(need) is True
    assert not negotiation.may_offer


def test_what_an_answer_had_no_place_for_is_offered() -> None:
    negotiation = Negotiation(polite=False)
    negotiation.receive(OFFER)
    negotiation.completed(needs_offer=True)
    assert negotiation.may_offer


def test_what_an_answer_of_theirs_has_left_is_offered_again() -> None:
    negotiation = connected_caller()
    need = negotiation.needed()
    negotiation.offered()
    negotiation.receive(ANSWER)
    negotiation.completed(needs_offer=True)
    assert negotiation.outcome(need) is True
    assert negotiation.may_offer
    negotiation.offered()
    negotiation.receive(ANSWER)
    negotiation.completed()
    assert not negotiation.may_offer


def test_an_offer_that_comes_to_nothing_fails_what_it_was_to_bring() -> None:
    negotiation = connected_caller()
    need = negotiation.needed()
    number = negotiation.offered()
    assert negotiation.is_offering(number)
    negotiation.abandoned()
    assert not negotiation.is_offering(number)
    assert negotiation.outcome(need) is False
    assert isinstance(negotiation.receive(ANSWER), todo.Drop)
    again = negotiation.needed()
    assert negotiation.may_offer
    assert negotiation.outcome(again) is None


def test_a_call_that_stands_keeps_its_id() -> None:
    negotiation = connected_callee()
    assert negotiation.receive(CLASSIC_OFFER) == todo.Answer(CLASSIC_OFFER)
    negotiation.abandoned()
    assert negotiation.call == negotiation.bye_call == "theirs"
    negotiation = connected_caller()
    negotiation.needed()
    negotiation.offered()
    assert negotiation.receive(CLASSIC_ANSWER) == todo.Accept(CLASSIC_ANSWER)
    assert negotiation.call == negotiation.bye_call == "ours"


#: RFC 9429, section 3.2, and the figure in W3C WebRTC, section 4.3.1, without provisional answers.
STANDARD = """
stable              LOCAL_OFFER    have-local-offer
stable              REMOTE_OFFER   have-remote-offer
have-local-offer    REMOTE_ANSWER  stable
have-local-offer    ROLLBACK       stable
have-remote-offer   LOCAL_ANSWER   stable
have-remote-offer   ROLLBACK       stable
stable              CLOSE          closed
have-local-offer    CLOSE          closed
have-remote-offer   CLOSE          closed
"""

#: An offer that crosses ours rolls that back (section 4.1.10.2); a beginning is stable, too, but
#: for the end of a call before it.
OURS = """
have-local-offer    REMOTE_OFFER   have-remote-offer
new                 LOCAL_OFFER    have-local-offer
new                 REMOTE_OFFER   have-remote-offer
"""


def test_the_states_are_those_of_the_standard() -> None:
    table = {
        (before.value, described.name, after.value)
        for before, row in TRANSITIONS.items()
        for described, after in row.items()
    }
    assert table == {tuple(line.split()) for line in (STANDARD + OURS).split("\n") if line}
    names = {state.value for state in NegotiationState} - {"new", "closed"}
    assert names < set(get_args(SignalingState))


def test_what_is_done_after_the_end_begins_nothing() -> None:
    for negotiation in (connected_caller(), connected_callee()):
        negotiation.receive(Bye())
        negotiation.completed()
        negotiation.abandoned()
        with pytest.raises(NegotiationError):
            negotiation.offered()
        assert isinstance(negotiation.receive(CLASSIC_OFFER), todo.Drop)
