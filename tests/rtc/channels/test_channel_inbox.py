"""What waits for the reader of a channel, and what it may take, without a network."""

from __future__ import annotations

from typing import Any

import pytest

from trio_rtc.errors import MessageTooLarge
from trio_rtc.rtc.channels import budget as channel_budget
from trio_rtc.rtc.channels import inbox as channel_inbox
from trio_rtc.rtc.channels.budget import MAX_REFUSED, ChannelBudget, LimitExceeded
from trio_rtc.rtc.channels.extension import MAX_MESSAGE_SIZE, WINDOW
from trio_rtc.rtc.channels.framing import PART_HEADER, PART_SIZE, FramingError, cost
from trio_rtc.rtc.channels.inbox import ERROR_COST, MESSAGE_COST, ChannelInbox
from trio_rtc.rtc.channels.reassembly import PARTIAL_COST


def inbox(budget: ChannelBudget | None = None, **options: Any) -> ChannelInbox:
    """That of a reliable channel to a foreign peer, unless the options say something else."""
    kinds = {"framed": False, "ordered": True, "reliable": True, "max_message_size": 1000}
    return ChannelInbox(budget=budget or ChannelBudget(), **{**kinds, **options})


def part(id_: int, size: int, offset: int = 0, data: bytes = b"x") -> bytes:
    return PART_HEADER.pack(3, id_, size, offset) + data


def test_many_tiny_messages_cost_more_than_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_inbox, "UNREAD_LIMIT", 10 * (MESSAGE_COST + 1))
    box = inbox()
    for _ in range(10):
        box.put(b"x")
    with pytest.raises(LimitExceeded, match="does not wait"):
        box.put(b"x")


def test_what_is_counted_is_taken_back() -> None:
    budget = ChannelBudget()
    box = inbox(budget)
    box.put(b"12345")
    box.put("é")
    box.put(b"x" * 1001)
    assert box.unread_bytes == 7
    assert budget.used == 7 + 2 * MESSAGE_COST + ERROR_COST
    assert box.get() == b"12345"
    assert budget.used == 2 + MESSAGE_COST + ERROR_COST
    box.get()
    with pytest.raises(MessageTooLarge, match="1001 bytes"):
        box.get()
    assert (box.unread_bytes, budget.used, len(box)) == (0, 0, 0)


def test_nothing_is_left_of_a_channel_that_is_closed() -> None:
    budget = ChannelBudget()
    box = inbox(budget, framed=True, ordered=False)
    box.put(b"\x01" + b"12345")
    box.put(part(1, 100))
    assert budget.used == 5 + MESSAGE_COST + PARTIAL_COST + cost(1)
    box.end()
    # What is complete is still to be read.
    assert (box.unread_bytes, budget.used) == (5, 5 + MESSAGE_COST)
    box.clear()
    assert (box.unread_bytes, budget.used, len(box)) == (0, 0, 0)


def test_nothing_is_left_of_a_channel_that_is_forgotten() -> None:
    budget = ChannelBudget()
    box = inbox(budget)
    box.put(b"12345")
    del box
    assert budget.used == 0


def test_foreign_peers_get_no_credit() -> None:
    box = inbox(max_message_size=MAX_MESSAGE_SIZE)
    box.put(bytes(WINDOW))
    box.get()
    assert box.credit() is None


def test_the_newest_stays_where_messages_may_be_lost() -> None:
    box = inbox(reliable=False, max_message_size=WINDOW)
    for number in range(2):
        box.put(bytes([number]) * (WINDOW // 2))
    assert (len(box), box.dropped) == (1, 1)
    assert box.get() == b"\x01" * (WINDOW // 2)
    assert box.unread_bytes == 0


def test_a_foreign_peer_may_go_over_our_limit_some_times() -> None:
    budget = ChannelBudget()
    boxes = [inbox(budget) for _ in range(2)]
    for number in range(MAX_REFUSED):
        boxes[number % 2].put(b"x" * 1001)
    with pytest.raises(LimitExceeded, match="over our limit"):
        boxes[0].put("x" * 1001)
    assert len(boxes[0]) == MAX_REFUSED // 2 + 1


def test_a_peer_of_ours_never_goes_over_our_limit() -> None:
    for kinds in ({}, {"ordered": False}, {"reliable": False}):
        budget = ChannelBudget()
        box = inbox(budget, framed=True, **kinds)
        with pytest.raises(FramingError, match="over our limit"):
            box.put(part(1, 2**40))
        assert budget.used == ERROR_COST
        with pytest.raises(MessageTooLarge):
            box.get()


def test_all_of_the_limit_may_be_used() -> None:
    budget = ChannelBudget(100)
    budget.used = 100
    budget.check()
    assert not budget.is_exceeded
    budget.used += 1
    assert budget.is_exceeded
    with pytest.raises(LimitExceeded, match="more than 100 bytes"):
        budget.check()


def test_the_limit_of_all_channels_together() -> None:
    budget = ChannelBudget(10 * PART_SIZE)
    boxes = [inbox(budget, framed=True, ordered=False) for _ in range(3)]
    with pytest.raises(LimitExceeded, match=f"more than {10 * PART_SIZE} bytes"):
        for number in range(30):
            boxes[number % 3].put(b"\x01" + bytes(PART_SIZE))
    assert sum(len(box) for box in boxes) == 10
    for box in boxes:
        box.clear()
    # Parts of what is not complete count as well.
    with pytest.raises(LimitExceeded):
        for number in range(30):
            boxes[number % 3].put(part(number, 2 * PART_SIZE, 0, bytes(PART_SIZE)))


def test_the_defaults_are_those_of_the_documents() -> None:
    assert channel_budget.MAX_UNREAD_BYTES == 256 * 2**20
    assert MAX_REFUSED == 16
