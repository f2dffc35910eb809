"""Numbers of a session: what is kept until it is acknowledged, and what is acknowledged when."""

from __future__ import annotations

import pytest

from trio_rtc.wire.session import ACK_BYTES, ACK_MESSAGES, Inbox, Outbox, SessionFault


def kept(outbox: Outbox) -> tuple[int, int, int, list[bytes]]:
    return outbox.next, outbox.acknowledged, outbox.size, list(outbox)


def outbox_of(*messages: bytes) -> Outbox:
    outbox = Outbox()
    for message in messages:
        outbox.keep(message)
    return outbox


def inbox_of(count: int, size: int = 1) -> Inbox:
    inbox = Inbox()
    for seq in range(1, count + 1):
        assert inbox.take(seq, size)
    return inbox


def test_what_is_sent_is_kept_until_it_is_acknowledged() -> None:
    outbox = Outbox()
    assert kept(outbox) == (1, 0, 0, [])
    for message in (b"one", b"two", b"three"):
        outbox.keep(message)
    assert kept(outbox) == (4, 0, 11, [b"one", b"two", b"three"])
    assert [outbox[number] for number in (1, 2, 3)] == [b"one", b"two", b"three"]
    outbox.acknowledge(2)
    assert kept(outbox) == (4, 2, 5, [b"three"])
    assert len(outbox) == 1
    assert outbox[3] == b"three"
    for late in (1, 2):
        outbox.acknowledge(late)
        assert kept(outbox) == (4, 2, 5, [b"three"])
    outbox.acknowledge(3)
    assert kept(outbox) == (4, 3, 0, [])


def test_nobody_acknowledges_what_was_never_sent() -> None:
    outbox = outbox_of(b"one", b"two")
    with pytest.raises(SessionFault, match="3 is acknowledged, 2 was sent last"):
        outbox.acknowledge(3)
    assert kept(outbox) == (3, 0, 6, [b"one", b"two"])
    with pytest.raises(SessionFault, match="1 is acknowledged, 0 was sent last"):
        Outbox().acknowledge(1)


def test_nothing_is_kept_for_nobody() -> None:
    outbox = outbox_of(b"one", b"two")
    outbox.clear()
    assert kept(outbox) == (3, 2, 0, [])
    outbox.keep(b"three")
    assert outbox[3] == b"three"


def test_a_message_in_the_place_of_another() -> None:
    outbox = outbox_of(b"one", b"two", b"three")
    outbox.acknowledge(1)
    outbox.replace(3, b"")
    assert kept(outbox) == (4, 1, 3, [b"two", b""])
    outbox.replace(2, b"second")
    assert kept(outbox) == (4, 1, 6, [b"second", b""])


def test_as_many_as_are_within_a_size() -> None:
    outbox = outbox_of(b"one", b"two", b"three", b"4")
    assert outbox.read(1, 0) == [b"one"]
    assert outbox.read(1, 5) == [b"one"]
    assert outbox.read(1, 6) == [b"one", b"two"]
    assert outbox.read(1, 11) == [b"one", b"two", b"three"]
    assert outbox.read(1, 100) == [b"one", b"two", b"three", b"4"]
    outbox.acknowledge(1)
    assert outbox.read(2, 8) == [b"two", b"three"]
    assert outbox.read(4, 8) == [b"4"]


def test_numbers_come_one_after_the_other() -> None:
    inbox = inbox_of(2)
    with pytest.raises(SessionFault, match="4 comes after 2"):
        inbox.take(4, 1)
    assert inbox.received == 2
    assert inbox.acknowledged() == 2
    assert not inbox.ack_pending


@pytest.mark.parametrize("seq", [1, 2])
def test_a_repetition_is_acknowledged_once_more(seq: int) -> None:
    inbox = inbox_of(2)
    inbox.acknowledged()
    assert not inbox.take(seq, 1)
    assert inbox.received == 2
    assert inbox.ack_pending
    assert inbox.acknowledged() == 2
    assert not inbox.ack_pending


def test_when_an_acknowledgement_is_due() -> None:
    assert not Inbox().ack_pending
    assert not Inbox().ack_due
    few = inbox_of(ACK_MESSAGES - 1)
    assert few.ack_pending
    assert not few.ack_due
    # A repetition counts as well.
    few.take(1, 1)
    assert few.ack_due
    assert few.acknowledged() == ACK_MESSAGES - 1
    assert not few.ack_due
    for seq in range(ACK_MESSAGES, 2 * ACK_MESSAGES):
        assert not few.ack_due
        few.take(seq, 1)
    assert few.ack_due
    large = inbox_of(1, ACK_BYTES - 1)
    assert not large.ack_due
    large.take(2, 1)
    assert large.ack_due
    assert large.acknowledged() == 2
    large.take(3, ACK_BYTES - 1)
    assert not large.ack_due
    large.take(4, 1)
    assert large.ack_due


def test_what_is_held_keeps_all_after_it_unacknowledged() -> None:
    inbox = inbox_of(2, 10)
    assert inbox.take(3, 100, hold=True)
    assert inbox.take(4, 1000)
    assert inbox.take(5, 7, hold=True)
    assert (inbox.held, inbox.held_bytes) == (2, 107)
    assert inbox.since(3) == (3, 1107)
    assert inbox.since(5) == (1, 7)
    assert inbox.acknowledged() == 2
    assert not inbox.ack_pending
    inbox.release(3)
    assert (inbox.held, inbox.held_bytes) == (1, 7)
    assert inbox.acknowledged() == 4
    inbox.release(5)
    assert (inbox.held, inbox.held_bytes) == (0, 0)
    assert inbox.ack_pending
    assert inbox.acknowledged() == 5


def test_what_is_held_is_not_due() -> None:
    inbox = Inbox()
    inbox.take(1, ACK_BYTES, hold=True)
    for seq in range(2, 2 * ACK_MESSAGES):
        inbox.take(seq, ACK_BYTES)
        assert not inbox.ack_due
    inbox.release(1)
    assert inbox.ack_due


def test_what_came_last_may_be_held_later() -> None:
    inbox = inbox_of(1, 5)
    inbox.hold(1, 5)
    assert inbox.acknowledged() == 0
    assert inbox.since(1) == (1, 5)
    assert inbox.held_bytes == 5
