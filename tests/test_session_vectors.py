"""Sessions as Python and the page's JavaScript have them: one exam for both.

``tests/data/sessions/client.json`` has conversations: what happens to a session, what it has to
send then, and whether it takes in what has come.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.node import NODE
from trio_rtc.errors import MessageTooLarge
from trio_rtc.signaling.client_session import ClientSession
from trio_rtc.wire import native as protocol
from trio_rtc.wire.session import SessionFault

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "data" / "sessions" / "client.json").read_text()
)
SCRIPT = Path(__file__).parent / "browser" / "session_module.mjs"


def happens(session: ClientSession, step: dict[str, Any]) -> dict[str, Any]:
    """What is seen of it."""
    seen: dict[str, Any] = {}
    match step["do"]:
        case "connected":
            session.connected()
        case "disconnected":
            session.disconnected()
        case "acknowledge":
            session.acknowledge()
        case "send":
            seen["number"] = session.send(step["to"], step["data"].encode())
        case "receive":
            message = session.receive(json.dumps(step["message"]))
            if isinstance(message, protocol.Message):
                session.accept(message.seq)
            if step["message"]["type"] != "ack":
                seen["takes"] = message is not None
    return seen


def played_in_python(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    session = ClientSession(protocol.Hello(name="alice"))
    played = []
    for step in steps:
        seen: dict[str, Any] = {}
        try:
            seen = happens(session, step)
        except (SessionFault, protocol.BadMessage, MessageTooLarge):
            seen["fault"] = True
        sends = [json.loads(message) for message in session.to_send]
        session.to_send.clear()
        played.append({**seen, "sends": sends})
    return played


@pytest.fixture(scope="module")
def played_in_javascript() -> dict[str, list[dict[str, Any]]]:
    if NODE is None and "CI" not in os.environ:
        pytest.skip("Node is not installed")
    done = subprocess.run(
        [str(NODE), str(SCRIPT)],
        input=json.dumps(VECTORS),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    played: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return played


def expected(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: step[name] for name in ("sends", "takes", "number", "fault") if name in step}
        for step in steps
    ]


@pytest.mark.parametrize("name", VECTORS)
def test_in_python(name: str) -> None:
    assert played_in_python(VECTORS[name]) == expected(VECTORS[name])


@pytest.mark.parametrize("name", VECTORS)
def test_in_javascript(name: str, played_in_javascript: dict[str, list[dict[str, Any]]]) -> None:
    assert played_in_javascript[name] == expected(VECTORS[name])
