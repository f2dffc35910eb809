"""What is given up, and what the other side is told to pass over (RFC 3758)."""

from __future__ import annotations

from struct import pack

import pytest

from trio_rtc.rtc.backend.sctp.machine.outbound import (
    ABANDONED,
    ACKNOWLEDGED,
    FORWARD_TSN,
    OutboundChunk,
    UserMessage,
)
from trio_rtc.rtc.backend.sctp.machine.partial_reliability import (
    MAX_STREAMS,
    PartialReliability,
    is_over,
)
from trio_rtc.rtc.backend.sctp.machine.send_queue import SendQueue
from trio_rtc.rtc.backend.sctp.machine.sent import SentChunks

FIRST = 100


def message(*, stream: int = 1, size: int = 4, ordered: bool = True) -> UserMessage:
    return UserMessage(stream, 53, bytes(size), ordered=ordered, max_retransmits=0)


class Half:
    """The sending half of an association, as far as this goes."""

    def __init__(self) -> None:
        self.sent = SentChunks(FIRST)
        self.queue = SendQueue({})
        self.partial = PartialReliability(self.sent, self.queue)

    def send(self, message: UserMessage, chunks: int = 1) -> list[OutboundChunk]:
        """So many chunks of it, of 4 bytes each."""
        self.queue.put(message)
        self.queue.begin(message)
        made = []
        for _ in range(chunks):
            chunk = OutboundChunk(
                self.sent.next_tsn, message, 4, interleaved=self.queue.interleaves
            )
            self.queue.taken(message, 4)
            self.sent.add(chunk)
            self.sent.depart(chunk)
            made.append(chunk)
        return made

    def forward(self, now: float = 0.0) -> tuple[int, list[tuple[int, int]]]:
        """The point of a FORWARD TSN, and its streams."""
        wire = self.partial.take(now)
        assert (wire[0], int.from_bytes(wire[2:4], "big")) == (FORWARD_TSN, len(wire))
        pairs = [wire[at : at + 4] for at in range(8, len(wire), 4)]
        return int.from_bytes(wire[4:8], "big"), [
            (int.from_bytes(pair[:2], "big"), int.from_bytes(pair[2:], "big")) for pair in pairs
        ]


def test_when_a_message_is_not_to_be_sent_again() -> None:
    twice = UserMessage(1, 53, b"x", max_retransmits=1)
    assert [is_over(twice, transmissions, 0.0) for transmissions in (1, 2)] == [False, True]
    late = UserMessage(1, 53, b"x", expires=1.0)
    assert [is_over(late, 9, now) for now in (0.9, 1.0, 1.1)] == [False, True, True]
    never = UserMessage(1, 53, b"x")
    assert is_over(never, 1000, 1e9) is False
    never.is_abandoned = True
    assert is_over(never, 0, 0.0) is True


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_all_of_a_message_is_given_up_and_nothing_of_others(lost: int) -> None:
    half = Half()
    [before] = half.send(message())
    chunks = half.send(message(size=12), 3)
    [after] = half.send(message())
    arrived = chunks[(lost + 1) % 3]
    half.sent.leave(arrived, ACKNOWLEDGED)
    on_their_way = [before, after]
    half.partial.abandon(chunks[lost].message)
    assert [chunk.state for chunk in chunks] == [
        ACKNOWLEDGED if chunk is arrived else ABANDONED for chunk in chunks
    ]
    assert half.sent.in_flight == sum(chunk.size for chunk in on_their_way)
    assert half.sent.next_tsn == FIRST + 5


def test_the_end_of_what_was_not_sent_has_a_tsn() -> None:
    half = Half()
    [first] = half.send(message(size=12))
    half.partial.abandon(first.message)
    assert not half.queue
    assert half.queue.size == 0
    end = half.sent.get(FIRST + 1)
    assert end is not None
    assert (end.state, end.is_last) == (ABANDONED, True)
    half.partial.advance()
    assert half.forward() == (FIRST + 1, [(1, 0)])


def test_only_what_comes_next_is_passed_over() -> None:
    half = Half()
    [first] = half.send(message())
    [second] = half.send(message(stream=2))
    half.partial.abandon(second.message)
    half.partial.advance()
    assert not half.partial.is_due
    assert not half.partial.waits
    half.partial.abandon(first.message)
    half.partial.advance()
    assert half.partial.is_due
    assert half.partial.waits
    assert half.forward() == (FIRST + 1, [(1, 0), (2, 0)])
    assert not half.partial.is_due
    # It is heard.
    half.sent.acknowledge(FIRST + 1, [])
    assert not half.partial.waits
    half.partial.advance()
    assert not half.partial.is_due


def test_what_comes_behind_it_is_not_passed_over() -> None:
    half = Half()
    [first] = half.send(message())
    half.send(message(stream=2))
    half.partial.abandon(first.message)
    half.partial.advance()
    assert half.forward() == (FIRST, [(1, 0)])


def test_it_is_told_again_after_so_long() -> None:
    half = Half()
    half.partial.remind(100.0, 1.0)
    assert not half.partial.is_due
    half.partial.abandon(half.send(message())[0].message)
    half.partial.advance()
    half.forward(10.0)
    half.partial.remind(10.9, 1.0)
    assert not half.partial.is_due
    half.partial.remind(11.0, 1.0)
    assert half.partial.is_due
    assert half.forward(11.0) == (FIRST, [(1, 0)])
    half.partial.remind(11.9, 1.0)
    assert not half.partial.is_due


def test_the_last_message_of_each_stream_is_told_of() -> None:
    half = Half()
    for ordered in (True, True, False):
        half.partial.abandon(half.send(message(ordered=ordered))[0].message)
    half.partial.advance()
    assert half.forward() == (FIRST + 2, [(1, 1)])


def test_what_does_not_fit_follows() -> None:
    half = Half()
    for stream in range(MAX_STREAMS + 1):
        half.partial.abandon(half.send(message(stream=stream))[0].message)
    half.partial.advance()
    point, streams = half.forward()
    assert (point, len(streams)) == (FIRST + MAX_STREAMS - 1, MAX_STREAMS)
    half.sent.acknowledge(point, [])
    half.partial.advance()
    assert half.partial.is_due
    assert half.forward() == (FIRST + MAX_STREAMS, [(MAX_STREAMS, 0)])


def test_a_tsn_on_the_wire_has_32_bits() -> None:
    sent = SentChunks(2**32 - 1)
    partial = PartialReliability(sent, SendQueue({}))
    for _ in range(2):
        chunk = OutboundChunk(sent.next_tsn, message(ordered=False), 4)
        sent.add(chunk)
        sent.depart(chunk)
        partial.abandon(chunk.message)
    partial.advance()
    assert partial.take(0.0) == pack("!BBHL", FORWARD_TSN, 0, 8, 0)


@pytest.mark.parametrize("interleaves", [True, False])
def test_a_large_message_of_a_long_stream_is_given_up(interleaves: bool) -> None:
    """Neither what is left of it, nor its number, fits into 16 bits."""
    half = Half()
    half.queue.interleaves = interleaves
    half.queue._sequences[1] = half.queue._unordered[1] = 70_000 if interleaves else 65_535
    large = message(size=200_000)
    half.send(large)
    half.partial.abandon(large)
    assert not half.queue
    assert half.queue.size == 0
    end = half.sent.get(FIRST + 1)
    assert end is not None
    assert (end.state, end.is_last) == (ABANDONED, True)
    half.partial.advance()
    assert half.partial.is_due
