"""Offers, answers and candidates in any order: what is sent then, and what is applied."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trio_rtc.calls import negotiation as todo
from trio_rtc.wire.messages import IceCandidate, SessionDescription, decode

from .exam import in_javascript, vectors

VECTORS: dict[str, dict[str, Any]] = vectors("negotiation")


class Played:
    """A negotiation whose actions are done at once."""

    def __init__(self, *, polite: bool, call: str | None):
        self._negotiation = todo.Negotiation(polite=polite, call=call)
        self._waits: list[int] = []
        self.seen: list[str] = []

    def step(self, what: str, message: object = None) -> None:
        match what:
            case "offer":
                self._negotiation.needed()
                self._negotiation.offered()
                self.seen.append("sends offer")
            case "receive":
                self._act(self._negotiation.receive(decode(json.dumps(message).encode())))
            case "first grace":
                self._give_way(self._waits[0])
            case "grace":
                for crossing in self._waits:
                    self._give_way(crossing)
                self._waits.clear()

    def _give_way(self, crossing: int) -> None:
        action = self._negotiation.give_way(crossing)
        if action is not None:
            self._act(action)

    def _act(self, action: todo.Action) -> None:
        match action:
            case todo.Answer(offer) | todo.Yield(offer) | todo.TakeBack(offer):
                self._apply(offer)
                self._negotiation.completed()
                self.seen.append("sends answer")
            case todo.Accept(answer):
                self._apply(answer)
                self._negotiation.completed()
            case todo.AddCandidate(candidate):
                self._add(candidate)
            case todo.Wait(crossing):
                self._waits.append(crossing)
            case todo.Supersede():
                self.seen.append("superseded")

    def _apply(self, description: SessionDescription) -> None:
        self.seen.append(f"takes {description.type}")
        for candidate in self._negotiation.applied(description):
            self._add(candidate)

    def _add(self, candidate: IceCandidate) -> None:
        what = candidate.candidate or "the end"
        self.seen.append(f"adds {what} of {candidate.username_fragment or 'any'}")


def seen(vector: dict[str, Any]) -> list[list[str]]:
    return [step["seen"] for step in vector["steps"]]


@pytest.mark.parametrize("name", VECTORS)
def test_in_python(name: str) -> None:
    vector = VECTORS[name]
    played = Played(polite=vector["polite"], call=vector["call"])
    for step in vector["steps"]:
        played.step(step["do"], step.get("message"))
        assert played.seen == step["seen"]
        played.seen.clear()


@pytest.fixture(scope="module")
def played_in_javascript() -> dict[str, list[list[str]]]:
    played: dict[str, list[list[str]]] = in_javascript("negotiation", VECTORS)
    return played


@pytest.mark.parametrize("name", VECTORS)
def test_in_javascript(name: str, played_in_javascript: dict[str, list[list[str]]]) -> None:
    assert played_in_javascript[name] == seen(VECTORS[name])


def test_a_candidate_that_is_written_as_in_a_description() -> None:
    """In Python it is the connection that takes it so."""
    answer = {"type": "answer", "sdp": "v=0\r\na=ice-ufrag:one\r\n"}
    marked = {"candidate": "a=candidate:2", "sdpMid": "0"}
    steps = [{"do": "offer"}, *({"do": "receive", "message": one} for one in (answer, marked))]
    played = in_javascript("negotiation", [{"polite": True, "call": None, "steps": steps}])
    assert played == [[["sends offer"], ["takes answer"], ["adds candidate:2 of any"]]]
