"""Why calls are over, and what comes of what a hang-up says, for Python and for the page."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from trio_rtc.calls.lifecycle import CallEnd, CallEvent, CallState, Lifecycle
from trio_rtc.faults import not_connected
from trio_rtc.wire.end_reasons import EndReason

from .exam import in_javascript, vectors

VECTORS: dict[str, Any] = vectors("end_reasons")
HANG_UPS: list[dict[str, Any]] = VECTORS["hang_ups"]


def test_the_reasons_in_python() -> None:
    assert list(get_args(EndReason)) == VECTORS["ends"]


def test_the_reasons_in_javascript() -> None:
    (told,) = in_javascript("end_reasons", [{}])
    assert [reason for reason, _ in told] == VECTORS["ends"]
    sentences = dict(told)
    # What we did ourselves we need not be told.
    assert sentences.pop("hung_up") == ""
    for reason, sentence in sentences.items():
        assert "bob" in sentence
        assert reason not in sentence
    assert len(set(sentences.values())) == len(sentences)


@pytest.mark.parametrize("vector", HANG_UPS, ids=str)
def test_what_a_hang_up_says_in_python(vector: dict[str, Any]) -> None:
    life = Lifecycle()
    life.state = CallState.CONNECTED if vector["stands"] else CallState.OFFERING
    assert life.step(CallEvent.PEER_HUNG_UP, vector["said"])
    assert life.end == CallEnd("peer_hung_up", vector["said"])
    if not vector["stands"]:
        error = not_connected("bob", life.end.reason, life.end.detail, calling=True)
        assert error.code == vector["python"]
    else:
        assert life.end.reason == vector["python"]


def test_what_a_hang_up_says_in_javascript() -> None:
    assert in_javascript("end_reasons", HANG_UPS) == [vector["page"] for vector in HANG_UPS]
