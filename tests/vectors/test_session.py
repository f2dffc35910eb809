"""Sessions: what happens to one, what it sends then, and whether it takes in what has come."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trio_rtc.errors import MessageTooLarge
from trio_rtc.signaling.client_session import ClientSession
from trio_rtc.wire import native as protocol
from trio_rtc.wire.session import SessionFault

from .exam import in_javascript, vectors

VECTORS: dict[str, list[dict[str, Any]]] = vectors("session")


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
            if isinstance(message, protocol.Failed):
                seen["failed"] = {"of": message.of, "to": message.to, "code": message.code}
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
        while session.to_send:
            session.written(session.to_send.popleft())
        played.append({**seen, "sends": sends})
    return played


@pytest.fixture(scope="module")
def played_in_javascript() -> dict[str, list[dict[str, Any]]]:
    played: dict[str, list[dict[str, Any]]] = in_javascript("session", VECTORS)
    return played


def expected(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            name: step[name]
            for name in ("sends", "takes", "failed", "number", "fault")
            if name in step
        }
        for step in steps
    ]


@pytest.mark.parametrize("name", VECTORS)
def test_in_python(name: str) -> None:
    assert played_in_python(VECTORS[name]) == expected(VECTORS[name])


@pytest.mark.parametrize("name", VECTORS)
def test_in_javascript(name: str, played_in_javascript: dict[str, list[dict[str, Any]]]) -> None:
    assert played_in_javascript[name] == expected(VECTORS[name])
