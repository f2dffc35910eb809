"""Messages of many streams that are between each other (RFC 8260)."""

from __future__ import annotations

from collections import Counter
from itertools import count
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trio_rtc.rtc.backend.sctp.interleaved_stream import (
    InterleavedStream,
    MessageFragment,
    parse_i_data,
    parse_i_forward_tsn,
)
from trio_rtc.rtc.backend.sctp.machine.bbr import Bbr
from trio_rtc.rtc.backend.sctp.machine.data_sender import Sender
from trio_rtc.rtc.backend.sctp.machine.outbound import (
    FIRST,
    I_DATA,
    I_DATA_HEADER,
    LAST,
    UNORDERED,
    UserMessage,
)
from trio_rtc.rtc.backend.sctp.machine.send_queue import MOST_BEGUN, WHOLE, SendQueue

from .link import path

SIZE = 232
"""Bytes of a packet: a message of a few hundred bytes has several fragments."""

LAST_NUMBER = 0xFFFFFFFF


def is_part_of(part: list[bytes], whole: list[bytes]) -> bool:
    """Whether it is that in its order, with some left out."""
    rest = iter(whole)
    return all(one in rest for one in part)


@settings(max_examples=60, deadline=None)
@given(
    streams=st.lists(
        st.tuples(st.booleans(), st.sampled_from([None, 0, 2])), min_size=1, max_size=5
    ),
    messages=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from([1, 7, 190, 200, 201, 600, 2500])),
        min_size=1,
        max_size=40,
    ),
    lost=st.sets(st.integers(0, 120), max_size=40),
    jitter=st.sampled_from([0.0, 0.02]),
    began_at=st.sampled_from([0, LAST_NUMBER - 1]),
)
def test_whatever_is_lost_or_overtaken_messages_are_whole_and_in_order(
    streams: list[tuple[bool, int | None]],
    messages: list[tuple[int, int]],
    lost: set[int],
    jitter: float,
    began_at: int,
) -> None:
    network = path(10, 0.05, jitter=jitter, packet=SIZE, interleaves=True)
    sender, host = network.hosts[0].sender, network.hosts[1]
    network.links[0].loses = lambda number: number in lost
    network.links[1].loses = lambda number: number * 3 in lost
    for number in range(len(streams)):
        # As if so many had been sent before.
        queue = sender.queue
        queue._sequences[number] = queue._unordered[number] = began_at
        stream = host.streams[number] = InterleavedStream()
        stream._next, stream._last = began_at, began_at - 1
    sent: dict[int, list[bytes]] = {}
    for tag, (number, size) in enumerate(messages):
        number %= len(streams)
        ordered, retransmits = streams[number]
        data = (bytes([tag]) * size)[:size]
        sent.setdefault(number, []).append(data)
        sender.send(
            UserMessage(number, 53, data, ordered=ordered, max_retransmits=retransmits), 0.0
        )
    network.kick(0)
    network.run(60.0, lambda: sender.is_idle)
    assert sender.is_idle
    for number, (ordered, retransmits) in enumerate(streams):
        got, all_of_it = host.messages.get(number, []), sent.get(number, [])
        if ordered:
            assert is_part_of(got, all_of_it)
        assert not Counter(got) - Counter(all_of_it)
        if retransmits is None:
            assert len(got) == len(all_of_it)
        # Nothing is kept that will never be complete.
        assert len(host.streams[number]) == 0


def test_a_stream_has_its_turn_after_each_chunk() -> None:
    sender = Sender(1, Bbr(1500), peer_window=1 << 20, packet_size=SIZE)
    sender.interleave()
    for stream, size in ((1, 1000), (2, 1000), (3, 10), (1, 10)):
        sender.send(UserMessage(stream, 53, bytes(size)), 0.0)
    chunks = []
    while (packet := sender.next_packet(0.0)) is not None:
        at = 0
        while at < len(packet):
            kind, flags, length, _, stream, _, message, number = I_DATA_HEADER.unpack_from(
                packet, at
            )
            assert kind == I_DATA
            chunks.append((stream, message, 0 if flags & FIRST else number, bool(flags & LAST)))
            at += length + -length % 4
    assert chunks == [
        (1, 0, 0, False), (2, 0, 0, False), (3, 0, 0, True), (1, 0, 1, False), (2, 0, 1, False),
        (1, 0, 2, False), (2, 0, 2, False), (1, 0, 3, False), (2, 0, 3, False), (1, 0, 4, False),
        (2, 0, 4, True), (1, 0, 5, True), (1, 1, 0, True),
    ]  # fmt: skip


def test_only_so_much_begins() -> None:
    """The other side keeps all that has begun: nobody's window is larger than that of no use."""
    queue = SendQueue({})
    queue.interleaves = True
    part = MOST_BEGUN // 4
    large = [UserMessage(stream, 53, bytes(part)) for stream in range(10)]
    for message in large:
        queue.put(message)
    seen = set()

    def send_chunk() -> UserMessage:
        message = queue.peek()
        if not message.position:
            queue.begin(message)
        length = min(1000, len(message.data) - message.position)
        message.position += length
        queue.taken(message, length)
        return message

    for _ in range(100):
        seen.add(send_chunk().stream)
    assert seen == {0, 1, 2, 3}
    assert queue.holds(9)
    # What needs not be kept has its turn all the same.
    queue.put(UserMessage(99, 53, bytes(100)))
    assert 99 in [send_chunk().stream for _ in range(5)]
    # And the others, once one has ended: sent, or given up.
    queue.end(large[0])
    queue.put(UserMessage(9, 53, b"behind it"))
    while queue:
        seen.add(send_chunk().stream)
    assert seen == set(range(10))
    assert queue.size == 0


class Interleaved(SendQueue):
    """Chunks of 1000 bytes, each of the message whose turn it is."""

    def __init__(self) -> None:
        super().__init__({})
        self.interleaves = True

    def put_sizes(self, *sizes: int) -> list[UserMessage]:
        """A message of each size, in streams that begin with 1."""
        messages = [UserMessage(stream, 53, bytes(size)) for stream, size in enumerate(sizes, 1)]
        for message in messages:
            self.put(message)
        return messages

    def send_chunk(self, size: int = 1000) -> int:
        """Send one; return its stream."""
        message = self.peek()
        if not message.position:
            self.begin(message)
        length = min(size, len(message.data) - message.position)
        message.position += length
        self.taken(message, length)
        return message.stream


def test_what_is_put_behind_a_message_that_must_wait_waits_with_it() -> None:
    queue = Interleaved()
    queue.put_sizes(MOST_BEGUN, 2000)
    assert [queue.send_chunk() for _ in range(3)] == [1, 1, 1]
    queue.put(UserMessage(2, 53, b"behind it"))
    assert {queue.send_chunk() for _ in range(5)} == {1}
    while queue:
        queue.send_chunk()
    assert (queue.size, queue.holds(2)) == (0, False)


@pytest.mark.parametrize(("size", "order"), [(WHOLE, [1, 2]), (WHOLE + 1, [1, 1])])
def test_what_is_no_fragment_in_any_packet_need_not_wait(size: int, order: list[int]) -> None:
    queue = Interleaved()
    queue.put_sizes(MOST_BEGUN, size)
    assert [queue.send_chunk(1200), queue.send_chunk(1200)] == order


def test_what_is_given_up_half_way_has_not_begun_any_more() -> None:
    queue = Interleaved()
    large, _ = queue.put_sizes(MOST_BEGUN, 2000)
    assert [queue.send_chunk(), queue.send_chunk()] == [1, 1]
    queue.end(large)
    queue.put(UserMessage(3, 53, bytes(MOST_BEGUN - 2000)))
    assert [queue.send_chunk(), queue.send_chunk()] == [2, 3]


def test_what_is_done_in_one_piece_makes_no_room_for_others() -> None:
    queue = Interleaved()
    queue.put_sizes(MOST_BEGUN - 1000, WHOLE, 2000)
    assert [queue.send_chunk(1200) for _ in range(4)] == [1, 2, 1, 1]


def test_one_message_may_be_larger_than_what_may_begin() -> None:
    queue = SendQueue({})
    queue.interleaves = True
    queue.put(UserMessage(1, 53, bytes(2 * MOST_BEGUN)))
    assert queue.peek().stream == 1


def test_both_kinds_of_numbers_begin_anew_where_a_stream_was_reset() -> None:
    sequences: dict[int, int] = {}
    queue = SendQueue(sequences)
    queue.interleaves = True

    def number(*, ordered: bool) -> int:
        message = UserMessage(1, 53, b"x", ordered=ordered)
        queue.put(message)
        queue.begin(message)
        message.position = 1
        queue.taken(message, 1)
        return message.sequence

    kinds = (True, False, True, False, False)
    assert [number(ordered=ordered) for ordered in kinds] == [0, 0, 1, 1, 2]
    # Those of ordered messages are of the association, which tells them of a stream's reset.
    assert sequences == {1: 2}
    sequences.pop(1)
    assert [number(ordered=ordered) for ordered in (False, True)] == [0, 0]


def i_data(flags: int, message: int, number: int, data: bytes, tsn: int = 1) -> MessageFragment:
    fragment = parse_i_data(flags, pack("!LHHLL", tsn, 7, 0, message, number) + data)
    assert fragment is not None
    return fragment


@pytest.mark.parametrize("length", [0, 3, 15, 16])
def test_a_chunk_without_data_is_none(length: int) -> None:
    assert parse_i_data(FIRST | LAST, bytes(length)) is None


def test_fragments_that_make_no_sense_are_not_kept() -> None:
    stream = InterleavedStream()
    assert stream.add(i_data(FIRST, 0, 53, b"a"))
    assert not stream.add(i_data(FIRST, 0, 53, b"again"))
    assert stream.add(i_data(0, 0, 2, b"c"))
    # An end before what has come.
    assert not stream.add(i_data(LAST, 0, 1, b"?"))
    assert stream.add(i_data(LAST, 0, 3, b"d"))
    assert not stream.add(i_data(0, 0, 4, b"behind the end"))
    assert len(stream) == 3
    last = i_data(0, 0, 1, b"b")
    assert stream.add(last)
    assert list(stream.complete(last)) == [(53, b"abcd")]
    # One that is over.
    assert not stream.add(i_data(0, 0, 1, b"b"))
    assert len(stream) == 0


def test_what_is_passed_over_lets_the_others_go() -> None:
    stream = InterleavedStream()
    for fragment in (
        i_data(FIRST | LAST, 1, 53, b"whole"),
        i_data(FIRST, 2, 53, b"half"),
        i_data(FIRST | LAST, 3, 53, b"last"),
        i_data(FIRST | UNORDERED, 0, 53, b"loose"),
    ):
        assert not (fragment.ordered and stream.is_next(fragment))
        assert stream.add(fragment)
    assert stream.pass_over(2, ordered=True) == (4, [(53, b"whole"), (53, b"last")])
    assert len(stream) == 1
    # Never back.
    assert stream.pass_over(1, ordered=True) == (0, [])
    assert stream.pass_over(0, ordered=False) == (5, [])
    assert len(stream) == 0


def test_the_last_that_is_told_of_a_stream_counts() -> None:
    numbers = count(LAST_NUMBER - 1)
    body = bytes(4) + b"".join(
        pack("!HHL", 7, flags, next(numbers) & LAST_NUMBER) for flags in (0, 0, 0, 1)
    )
    assert parse_i_forward_tsn(body + b"rest") == {
        (7, True): LAST_NUMBER + 1,
        (7, False): 1,
    }
