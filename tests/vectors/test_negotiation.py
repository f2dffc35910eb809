"""Candidates that reach the page before the description that they belong to."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..node import NODE

pytestmark = pytest.mark.skipif(
    NODE is None and "CI" not in os.environ, reason="Node is not installed"
)


def answer(ufrag: str) -> dict[str, Any]:
    return {"type": "answer", "sdp": f"v=0\r\na=ice-ufrag:{ufrag}\r\n"}


def candidate(name: str, ufrag: str | None) -> dict[str, Any]:
    text = f"candidate:{name}" if name else ""
    return {"candidate": text, "sdpMid": "0", "usernameFragment": ufrag}


def offer(ufrag: str, call: str | None = None) -> dict[str, Any]:
    return {"type": "offer", "sdp": f"v=0\r\na=ice-ufrag:{ufrag}\r\n", "call": call}


def told(*messages: object, polite: bool = True) -> list[str]:
    """What a connection is told when these come."""
    assert NODE is not None
    script = Path(__file__).with_name("negotiation_module.mjs")
    done = subprocess.run(
        [NODE, str(script), json.dumps(messages), "polite" if polite else "impolite"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
    printed: list[str] = json.loads(done.stdout)
    return printed


def test_before_the_first_answer() -> None:
    early = candidate("1", "one"), candidate("2", None)
    assert told("offer", *early, answer("one")) == ["answer", "candidate:1 one", "candidate:2 null"]


def test_before_the_answer_to_a_restart() -> None:
    assert told(
        "offer",
        answer("one"),
        "offer",
        candidate("new", "two"),
        candidate("", "two"),
        candidate("old", "one"),
        answer("two"),
        candidate("last", "two"),
        candidate("late", "one"),
        answer("one"),
    ) == [
        "answer",
        "candidate:old one",
        "answer",
        "candidate:new two",
        " two",
        "candidate:last two",
    ]


def test_the_generation_may_be_in_the_candidate() -> None:
    named = candidate("1 1 udp 1 192.0.2.1 1 typ host ufrag two", None)
    assert told("offer", answer("one"), "offer", named, answer("two")) == [
        "answer",
        "answer",
        f"{named['candidate']} null",
    ]


def test_one_that_is_written_as_in_a_description() -> None:
    plain, marked = candidate("1", None), {"candidate": "a=candidate:2", "sdpMid": "0"}
    assert told("offer", answer("one"), plain, marked) == [
        "answer",
        "candidate:1 null",
        "candidate:2 null",
    ]


def test_one_who_does_not_answer_our_offer_has_its_own_answered() -> None:
    assert told("offer", offer("one", "theirs"), polite=False) == []
    assert told("offer", offer("one"), polite=False) == []
    assert told("offer", offer("one"), "grace", polite=False) == ["offer"]


def test_one_who_takes_back_its_offer_is_the_polite_one() -> None:
    crossing = (
        "offer",
        offer("one"),
        answer("two"),
        "grace",
        "offer",
        offer("three"),
        answer("four"),
    )
    assert told(*crossing, "grace", polite=False) == ["answer", "answer"]
