"""Reassembly of messages where frames are lost, given up, or many, at its limits."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.channels.budget import ChannelBudget
from trio_rtc.rtc.channels.credit import ReceiveWindow
from trio_rtc.rtc.channels.extension import MAX_MESSAGE_SIZE, WINDOW
from trio_rtc.rtc.channels.framing import (
    ABANDON,
    ABANDON_FRAME,
    BINARY,
    BINARY_PART,
    CREDIT_FRAME,
    FRAME_COST,
    PART_HEADER,
    PART_SIZE,
    FramingError,
    Splitter,
    cost,
)
from trio_rtc.rtc.channels.inbox import ChannelInbox
from trio_rtc.rtc.channels.reassembly import PARTIAL_COST, Reassembled, Reassembler


def part(id_: int, size: int, offset: int, data: bytes) -> bytes:
    return PART_HEADER.pack(BINARY_PART, id_, size, offset) + data


def inbox(*, ordered: bool = True, reliable: bool = True) -> ChannelInbox:
    return ChannelInbox(
        framed=True,
        ordered=ordered,
        reliable=reliable,
        max_message_size=MAX_MESSAGE_SIZE,
        budget=ChannelBudget(),
    )


def test_a_message_of_the_size_of_a_part_is_whole() -> None:
    data = bytes(PART_SIZE)
    assert Splitter().split(data, is_text=False).next_frame() == bytes([BINARY]) + data


def test_what_the_next_frame_takes_is_known_before() -> None:
    split = Splitter().split(bytes(5 * PART_SIZE // 2), is_text=False)
    sizes = []
    while not split.is_complete:
        sizes.append(split.next_size())
        assert len(split.next_frame()) == PART_HEADER.size + sizes[-1]
    assert sizes == [PART_SIZE, PART_SIZE, PART_SIZE // 2]


def test_so_many_may_be_given_up_before_their_parts_have_come() -> None:
    reassembler = Reassembler(ordered=False, receive_window=ReceiveWindow())
    for id_ in range(1024):
        reassembler.take(ABANDON_FRAME.pack(ABANDON, id_, 1))
    with pytest.raises(FramingError, match="too many messages were given up"):
        reassembler.take(ABANDON_FRAME.pack(ABANDON, 1024, 1))


def test_the_rest_of_what_a_whole_message_has_ended_completes_nothing() -> None:
    reassembler = Reassembler(ordered=True, receive_window=None)
    assert reassembler.take(part(1, 2, 0, b"a")) is None
    assert reassembler.take(bytes([BINARY]) + b"whole") == Reassembled(b"whole", 5, cost(5))
    assert reassembler.take(part(1, 2, 1, b"b")) is None
    assert reassembler.kept == PARTIAL_COST + cost(1)


def test_what_was_given_up_before_any_of_it_was_sent_is_not_waited_for() -> None:
    window = ReceiveWindow()
    reassembler = Reassembler(ordered=False, receive_window=window)
    reassembler.take(ABANDON_FRAME.pack(ABANDON, 1, 0))
    # The id is free again.
    window.arrived(0)
    assert reassembler.take(part(1, 1, 0, b"x")) == Reassembled(b"x", 1, cost(1))


@pytest.mark.parametrize("over", [0, 1])
def test_the_largest_message_and_a_window_are_kept_to_the_byte(over: int) -> None:
    limit = 8 * PART_SIZE
    most = limit + limit // PART_SIZE * FRAME_COST + PARTIAL_COST + WINDOW
    reassembler = Reassembler(ordered=False, receive_window=None, limit=limit)
    each = PARTIAL_COST + cost(PART_SIZE)
    count, rest = divmod(most, each)
    for id_ in range(count):
        assert reassembler.take(part(id_, limit, 0, bytes(PART_SIZE))) is None
    last = rest - PARTIAL_COST - FRAME_COST
    assert 0 < last < PART_SIZE
    assert reassembler.take(part(count, limit, 0, bytes(last + over))) is None
    # The oldest gives way, and not before.
    assert reassembler.kept == most + over * (1 - each)


def test_credit_comes_to_the_byte_for_a_message_over_half_a_window() -> None:
    box = inbox()
    split = Splitter().split(bytes(WINDOW), is_text=False)
    told = 0
    while not split.is_complete:
        box.put(split.next_frame())
        if (frame := box.credit()) is not None:
            [_, told] = CREDIT_FRAME.unpack(frame)
    # Its end would otherwise wait for credit that only its end brings.
    assert told > WINDOW // 2
    assert box.get() == bytes(WINDOW)
    assert box._receive_window is not None
    frames = WINDOW // PART_SIZE
    assert box._receive_window._read == WINDOW + frames * FRAME_COST


def test_a_channel_that_may_lose_messages_has_no_credit() -> None:
    box = inbox(reliable=False)
    for _ in range(2 * WINDOW // PART_SIZE):
        box.put(bytes([BINARY]) + bytes(PART_SIZE))
        box.get()
    assert box.credit() is None


def test_of_a_channel_that_may_lose_messages_only_those_over_the_window_are_lost() -> None:
    box = inbox(ordered=False, reliable=False)
    for text in (b"one", b"two"):
        box.put(bytes([BINARY]) + text)
    assert (box.get(), box.get(), box.dropped) == (b"one", b"two", 0)
    size = WINDOW + PART_SIZE
    for offset in range(0, size, PART_SIZE):
        box.put(part(1, size, offset, bytes(PART_SIZE)))
    # The newest stays, however large.
    assert (len(box), box.dropped) == (1, 0)
