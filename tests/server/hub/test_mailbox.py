"""The mailbox of a member that polls: to the message, and to the byte."""

from __future__ import annotations

import pytest

from trio_rtc.server.counters import Statistics
from trio_rtc.server.hub.mail import MailboxFull, Relayed
from trio_rtc.server.hub.mailbox import PollingMailbox
from trio_rtc.server.hub.memory import OVERHEAD, SHARE, Memory
from trio_rtc.server.hub.presence import Presence
from trio_rtc.server.limits import ServerLimits
from trio_rtc.server.scheduling.flush_batches import FlushBatch


class Kept:
    """A mailbox, what it has told, and what it costs."""

    def __init__(self, memory_bytes: int = 1 << 30, **limits: int) -> None:
        self.statistics = Statistics()
        self.account = Memory(memory_bytes, self.statistics).open()
        self.calls = 0
        self.box = PollingMailbox(ServerLimits(**limits), self.account, self._on_mail)

    def _on_mail(self) -> None:
        self.calls += 1


def said(size: int) -> Relayed:
    return Relayed(1, bytes(size))


def notice(name: str) -> Presence:
    return Presence(2, name, connected=True)


def test_what_waits_is_counted_until_it_is_delivered() -> None:
    kept = Kept()
    kept.box.put_message(said(10))
    kept.box.put_notice(notice("alice"))
    assert kept.account.size == kept.statistics.memory_bytes == 2 * OVERHEAD + 15
    assert kept.calls == 2
    assert kept.box.take() == said(10)
    # One at a time.
    assert kept.box.take() is None
    kept.box.put_back()
    assert kept.calls == 3
    assert kept.box.take() == said(10)
    kept.box.delivered()
    assert (kept.calls, kept.box.fetched, kept.account.size) == (4, 1, OVERHEAD + 5)
    assert kept.box.take() == notice("alice")
    kept.box.delivered()
    assert (kept.calls, kept.box.fetched, kept.account.size) == (4, 2, 0)
    assert kept.box.take() is None


def test_a_place_is_free_when_one_has_been_delivered() -> None:
    for limits, code in (
        ({"mailbox_messages": 2}, "mailbox_messages"),
        ({"mailbox_bytes": 20}, "mailbox_bytes"),
    ):
        kept = Kept(**limits)
        for _ in range(2):
            kept.box.put_message(said(10))
        for _ in range(3):
            with pytest.raises(MailboxFull) as full:
                kept.box.put_message(said(10))
            assert full.value.limit == code
            kept.box.take()
            kept.box.delivered()
            kept.box.put_message(said(10))


def test_notices_have_limits_of_their_own() -> None:
    for limits, code in (
        ({"mailbox_messages": 2}, "mailbox_messages"),
        ({"mailbox_bytes": 10}, "mailbox_bytes"),
    ):
        kept = Kept(**limits)
        kept.box.put_message(said(10))
        for name in ("alice", "carol"):
            kept.box.put_notice(notice(name))
        with pytest.raises(MailboxFull) as full:
            kept.box.put_notice(notice("david"))
        assert full.value.limit == code
        kept.box.take()
        kept.box.delivered()
        with pytest.raises(MailboxFull):
            kept.box.put_notice(notice("david"))
        for _ in range(3):
            kept.box.take()
            kept.box.delivered()
            kept.box.put_notice(notice("david"))
            with pytest.raises(MailboxFull):
                kept.box.put_notice(notice("david"))


def test_of_what_waits_half_counts_against_a_notice() -> None:
    one = OVERHEAD + 5
    just_enough = 2 * one + SHARE * (one // 2 + one)
    for memory_bytes, fits in ((just_enough, True), (just_enough - 1, False)):
        kept = Kept(memory_bytes)
        kept.box.put_message(said(5))
        if fits:
            kept.box.put_notice(notice("alice"))
        else:
            with pytest.raises(MailboxFull) as full:
                kept.box.put_notice(notice("alice"))
            assert full.value.limit == "memory_bytes"
        assert kept.account.size == one * (1 + fits)


def test_what_is_delivered_after_the_end_counts_for_nothing() -> None:
    kept = Kept()
    kept.box.put_message(said(10))
    kept.box.take()
    kept.box.close()
    assert (kept.calls, kept.statistics.memory_bytes) == (2, 0)
    kept.box.delivered()
    assert (kept.box.fetched, kept.box.take(), kept.calls) == (0, None, 2)
    kept.box.put_back()
    assert kept.calls == 2


def test_it_goes_on_as_on_another_server() -> None:
    kept = Kept()
    kept.box.restore(7, 5)
    assert kept.box.fetched == 5


def test_a_batch_is_open_within_its_blocks() -> None:
    batch = FlushBatch()
    assert batch.is_open is False
    with batch:
        with batch:
            assert batch.is_open is True
        assert batch.is_open is True
    assert batch.is_open is False


def test_notices_are_taken_up_to_the_next_message() -> None:
    box = PollingMailbox(ServerLimits(), Memory(100_000, Statistics()).open(), lambda: None)
    notices = [Presence(number, f"peer{number}", connected=True) for number in range(5)]
    for notice in notices[:3]:
        box.put_notice(notice)
    message = Relayed(1, b"body")
    box.put_message(message)
    for notice in notices[3:]:
        box.put_notice(notice)
    assert box.take_notices(2) == notices[:2]
    # One taking at a time.
    assert box.take_notices(2) == []
    assert box.take() is None
    box.delivered()
    assert box.take_notices(9) == notices[2:3]
    box.delivered()
    assert box.take_notices(9) == []
    assert box.take() == message
    box.delivered()
    assert box.take_notices(9) == notices[3:]
    box.delivered()
    assert box.take_notices(9) == []
    assert box.fetched == 6
