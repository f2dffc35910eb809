"""Events of the client: lines for people, objects for programs, and the list of these."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from trio_rtc.calls.lifecycle import CallEnd
from trio_rtc.calls.options import CallStep, StepName
from trio_rtc.cli import report
from trio_rtc.cli.report import JsonReporter, Reporter
from trio_rtc.cli.terminal import wrapping
from trio_rtc.signaling import Peer

BOB = Peer(2, "bob")
PAGE = (Path(__file__).parent.parent.parent / "docs" / "commands.md").read_text()


def go_through_a_loss(reporter: Reporter) -> None:
    """A call that is lost, found again by another offer, and over."""

    def step(*names: StepName) -> None:
        for name in names:
            reporter.step(CallStep(BOB, name, 0.0))

    call: Any = SimpleNamespace(peer=BOB, setup_seconds=0.1)
    step("offer_received", "ice_connected", "connected")
    reporter.call_connected(call)
    step("disconnected", "offer_received", "offer_sent", "connected")
    reporter.hung_up(BOB, CallEnd("peer_hung_up"))
    step("disconnected", "offer_sent", "connected")


def test_a_restart_does_not_look_like_a_call(capsys: pytest.CaptureFixture[str]) -> None:
    go_through_a_loss(Reporter())
    assert capsys.readouterr().out.splitlines() == [
        "bob (2) is calling ...",
        "connected to bob (2) in 100 ms",
        "the connection to bob (2) is lost, looking for another way ...",
        "connected to bob (2) again",
        "the call with bob (2) is over: peer hung up",
        "calling bob (2) ...",
    ]


@pytest.mark.parametrize(
    ("server", "over"),
    [("ws://host:8888", ""), ("http://host:8888", ", over the classic protocol")],
)
def test_who_signs_in_is_told_of_the_protocol_that_has_less(
    server: str, over: str, capsys: pytest.CaptureFixture[str]
) -> None:
    signaling: Any = SimpleNamespace(server=server, name="ann", peer_id=1, peers={2: BOB})
    Reporter().signed_in(signaling)
    assert capsys.readouterr().out == f"signed in to {server} as ann (1){over}\n"


def test_sentences_break_at_words_and_what_others_write_stays_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrapping, "_columns", lambda stream: 20)
    reporter = Reporter()
    reporter.hung_up(BOB, CallEnd("peer_hung_up"))
    reporter.message(BOB, "chat", "if it is:      do it at once")
    reporter.error("not_sent", "nobody is in a call")
    out, errors = capsys.readouterr()
    assert out.splitlines() == [
        "the call with bob",
        "(2) is over: peer",
        "hung up",
        "bob: if it is:      do it at once",
    ]
    assert errors.splitlines() == ["trio-rtc client:", "nobody is in a call"]


def test_programs_hear_of_a_restart(capsys: pytest.CaptureFixture[str]) -> None:
    go_through_a_loss(JsonReporter())
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events[2:8] == [
        "call_connected", "disconnected", "offer_received", "offer_sent", "reconnected", "hung_up"
    ]  # fmt: skip


def test_the_page_lists_all_events() -> None:
    [listed] = re.findall(r"^The events of `--json` are (.*?)^Each has", PAGE, re.S | re.M)
    named = {
        *re.findall(r'_event\(\s*"(\w+)"', Path(report.__file__).read_text()),
        *(set(get_args(StepName)) - {"connected", "ended"}),
    }
    # Within brackets are the fields of the one before.
    found = set(re.findall(r"`(\w+)`", re.sub(r"\([^()]*\)", "", listed)))
    assert found == named
