"""A client's session on its connections, message by message: what waits, and what is given up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trio_rtc.signaling import client_session as module
from trio_rtc.signaling.client_session import LEAVE, NOBODY, TRIES, ClientSession
from trio_rtc.wire import native as protocol
from trio_rtc.wire.session import SessionFault


def welcome(**fields: Any) -> str:
    limits = {"mailbox_messages": 8, "mailbox_bytes": 1000, "max_message_bytes": 10_000}
    rates = {"messages_per_second": 10, "messages_burst": 10, "resume_seconds": 60}
    message = {"type": "welcome", "id": 7, "name": "alice", "room": "", "session": "s", "peers": []}
    limits |= rates
    return json.dumps({**message, **limits, **fields})


def message(seq: int, data: str = "x") -> str:
    return json.dumps({"type": "message", "seq": seq, "from": 2, "data": data})


def session_of(**fields: Any) -> ClientSession:
    session = ClientSession(protocol.Hello(name="alice"))
    session.connected()
    session.receive(welcome(**fields))
    written(session)
    return session


def written(session: ClientSession) -> list[dict[str, Any]]:
    """What goes out, all of it."""
    sent = list(session.to_send)
    for data in sent:
        session.written(data)
    session.to_send.clear()
    return [json.loads(data) for data in sent]


def reconnected(session: ClientSession, received: int = 0) -> list[dict[str, Any]]:
    """What goes out on another connection, from the opening on."""
    session.disconnected()
    session.connected()
    first = written(session)
    session.receive(json.dumps({"type": "resumed", "received": received}))
    return [*first, *written(session)]


def test_a_session_is_opened_and_gone_on_with() -> None:
    session = ClientSession(protocol.Hello(name="alice"))
    assert not session.ready
    assert session.send(2, b"early") == 1
    session.show_token("t")
    assert not session.to_send
    session.connected()
    assert not session.ready
    assert [sent["type"] for sent in written(session)] == ["hello"]
    session.receive(welcome())
    assert session.ready
    assert [sent["type"] for sent in written(session)] == ["send", "token"]
    for attempt in (1, 2):
        first, *again = reconnected(session)
        assert first == {"type": "resume", "session": "s", "received": 0, "attempt": attempt}
        assert [sent["type"] for sent in again] == ["send", "token"]
    session.receive('{"type": "token_accepted"}')
    assert [sent["type"] for sent in reconnected(session)] == ["resume", "send"]
    assert [sent["type"] for sent in reconnected(session, 1)] == ["resume"]


@pytest.mark.parametrize("refusal", ['{"type": "error", "code": "token_refused", "message": ""}'])
def test_a_token_that_is_refused_is_not_shown_again(refusal: str) -> None:
    session = session_of()
    session.show_token("t")
    assert written(session) == [{"type": "token", "token": "t"}]
    assert [sent["type"] for sent in reconnected(session)] == ["resume", "token"]
    session.receive('{"type": "error", "code": "other", "message": ""}')
    assert [sent["type"] for sent in reconnected(session)] == ["resume", "token"]
    session.receive(refusal)
    assert [sent["type"] for sent in reconnected(session)] == ["resume"]


def test_what_waits_for_a_connection_that_has_ended_is_not_sent_on_it() -> None:
    session = session_of()
    session.send(2, b"one")
    session.disconnected()
    assert not session.to_send
    assert not session.ready
    session.send(2, b"two")
    assert not session.to_send


def test_leaving_comes_after_all_that_was_sent() -> None:
    session = session_of()
    assert not session.leaving
    session.send(2, b"last")
    session.leave()
    assert session.leaving
    assert not session.leave_written
    sent = written(session)
    assert [one["type"] for one in sent] == ["send", "leave"]
    assert session.leave_written
    again = ClientSession(protocol.Hello(name="alice"))
    again.connected()
    again.leave()
    assert not again.leave_written
    written(again)
    again.receive(welcome())
    assert list(again.to_send) == [LEAVE]


def test_how_much_may_wait_for_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTBOX_MESSAGES", 3)
    session = session_of()
    for _ in range(3):
        assert session.has_place
        session.send(2, b"")
    assert not session.has_place
    session.receive('{"type": "ack", "received": 1}')
    assert session.has_place
    monkeypatch.setattr(module, "OUTBOX_BYTES", session._outbox.size)
    assert not session.has_place
    monkeypatch.setattr(module, "OUTBOX_BYTES", session._outbox.size + 1)
    assert session.has_place


@pytest.mark.parametrize("closed", range(1, TRIES + 3))
def test_a_message_that_closes_each_connection_is_withdrawn(closed: int) -> None:
    session = session_of()
    session.send(2, b"poison")
    session.send(3, b"behind")
    first = written(session)
    for times in range(1, closed + 1):
        _, *sent = reconnected(session)
        assert session.is_stuck == (times > TRIES)
        if times != TRIES and not (times > TRIES):
            assert sent == first
    if closed >= TRIES:
        assert sent[0] == {"type": "send", "seq": 1, "to": NOBODY, "data": ""}
        assert sent[1] == first[1]
        failed = {"type": "failed", "seq": 1, "of": 1, "to": NOBODY, "code": "unknown_peer",
                  "message": "x"}  # fmt: skip
        told = session.receive(json.dumps(failed))
        assert isinstance(told, protocol.Failed)
        assert (told.of, told.to, told.code) == (1, 2, "undeliverable")
        assert told.message == f"each of {TRIES} connections was closed on which it was sent"
        # Once: what is said of that number again is not new.
        assert session.receive(json.dumps(failed)) is None


def test_connections_that_bring_something_are_none_of_these() -> None:
    session = session_of()
    for number in range(1, 2 * TRIES):
        session.send(2, b"x")
        written(session)
        reconnected(session, number)
    assert not session.is_stuck
    # Nor are those on which nothing was sent, or that were not accepted.
    for _ in range(2 * TRIES):
        reconnected(session, 2 * TRIES - 1)
    session.send(2, b"x")
    for _ in range(2 * TRIES):
        session.disconnected()
        session.connected()
    assert not session.is_stuck
    assert session._tries == 0


def test_something_that_arrives_begins_the_count_anew() -> None:
    session = session_of()
    session.send(2, b"one")
    session.send(2, b"two")
    written(session)
    for _ in range(TRIES - 1):
        reconnected(session)
    assert session._tries == TRIES - 1
    session.receive('{"type": "ack", "received": 0}')
    assert session._tries == TRIES - 1
    session.receive('{"type": "ack", "received": 1}')
    assert session._tries == 0


@pytest.mark.parametrize(
    ("limits", "messages", "size", "overdue"),
    [
        ({}, 6, 0, False),
        ({}, 7, 0, True),
        ({"mailbox_messages": 1000}, 2, 300, False),
        ({"mailbox_messages": 1000}, 2, 400, True),
        ({"mailbox_messages": None}, 100, 400, False),
        ({"mailbox_bytes": None}, 100, 400, False),
    ],
)
def test_a_message_that_holds_up_too_much(
    limits: dict[str, int], messages: int, size: int, overdue: bool
) -> None:
    session = session_of(**limits)
    for seq in range(1, messages + 1):
        session.receive(message(seq, "x" * size))
    assert session.is_overdue(1) == overdue
    assert not session.is_overdue(messages)


def test_exactly_its_share_is_not_too_much() -> None:
    size = len(message(1, "x" * 300).encode())
    for bytes_, overdue in ((4 * size, False), (4 * size - 4, True)):
        session = session_of(mailbox_messages=1000, mailbox_bytes=bytes_)
        for seq in (1, 2, 3):
            session.receive(message(seq, "x" * 300))
        assert session.is_overdue(1) == overdue


def test_nothing_is_overdue_before_the_server_knows_of_what_is_refused() -> None:
    session = session_of()
    for seq in range(1, 9):
        session.receive(message(seq))
    assert session.is_overdue(1)
    session.refuse([1, 2])
    assert written(session) == [{"type": "refuse", "seq": 1, "of": [1, 2]}]
    assert not session.is_overdue(3)
    session.acknowledge()
    assert written(session) == []
    for seq in (3, 4, 5, 6, 7, 8):
        session.accept(seq)
    session.acknowledge()
    assert written(session) == []
    session.receive('{"type": "ack", "received": 1}')
    session.acknowledge()
    assert written(session) == [{"type": "ack", "received": 8}]


def test_refusals_go_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REFUSED_AT_ONCE", 3)
    session = session_of()
    for seq in range(1, 8):
        session.receive(message(seq))
    session.refuse([1, 2, 3, 4, 5, 6, 7])
    assert [sent["of"] for sent in written(session)] == [[1, 2, 3], [4, 5, 6], [7]]
    session.receive('{"type": "ack", "received": 2}')
    session.acknowledge()
    assert written(session) == [{"type": "ack", "received": 6}]
    session.receive('{"type": "ack", "received": 3}')
    session.acknowledge()
    assert written(session) == [{"type": "ack", "received": 7}]


def test_a_server_that_sends_on_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_MESSAGES", 3)
    session = session_of(mailbox_messages=1000)
    for seq in (1, 2, 3):
        session.receive(message(seq))
    # Our own bound counts, where it is the smaller one.
    assert session.is_overdue(1)
    assert not session.is_overdue(2)
    with pytest.raises(SessionFault, match="4 messages wait to be acknowledged"):
        session.receive(message(4))
    monkeypatch.setattr(module, "HELD_MESSAGES", 100)
    size = len(message(1).encode())
    monkeypatch.setattr(module, "HELD_BYTES", 3 * size)
    session = session_of()
    for seq in (1, 2, 3):
        session.receive(message(seq))
    with pytest.raises(SessionFault, match=f"{4 * size} bytes"):
        session.receive(message(4))


def test_what_comes_before_a_session_is_open_or_opens_it_twice() -> None:
    session = ClientSession(protocol.Hello(name="alice"))
    session.connected()
    for early in (message(1), '{"type": "token_accepted"}', '{"type": "resumed", "received": 0}'):
        with pytest.raises(protocol.BadMessage, match="session is"):
            session.receive(early)
    assert session.receive('{"type": "pong"}') is not None
    assert session.receive('{"type": "of a later server"}') is None
    session.receive(welcome())
    with pytest.raises(protocol.BadMessage, match="the session is open already"):
        session.receive(welcome())


def test_acknowledgements_that_are_due_go_at_once() -> None:
    session = session_of(mailbox_messages=1000)
    for seq in range(1, 17):
        session.receive(json.dumps({"type": "left", "seq": seq, "id": seq}))
        assert [sent["received"] for sent in written(session)] == ([16] if seq == 16 else [])
    session.acknowledge()
    assert written(session) == []
    session.receive(message(17))
    session.accept(17)
    assert written(session) == []
    session.acknowledge()
    assert written(session) == [{"type": "ack", "received": 17}]
    # Not on a connection that has not been accepted.
    session.receive(json.dumps({"type": "left", "seq": 18, "id": 1}))
    session.disconnected()
    session.acknowledge()
    assert not session.to_send
