"""The index of what is on its way."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.backend.sctp.machine.outbound import (
    ACKNOWLEDGED,
    IN_FLIGHT,
    LOST,
    OutboundChunk,
    UserMessage,
)
from trio_rtc.rtc.backend.sctp.machine.sent import SentChunks


def sent_chunks(first: int, count: int) -> tuple[SentChunks, list[OutboundChunk]]:
    sent = SentChunks(first)
    chunks = []
    for tsn in range(first, first + count):
        chunk = OutboundChunk(tsn, UserMessage(1, 53, bytes(4)), 4)
        sent.add(chunk)
        sent.depart(chunk)
        chunks.append(chunk)
    return sent, chunks


@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_each_chunk_is_acknowledged_once(source: random.Random, acknowledgements: int) -> None:
    """Whatever blocks there are, in whatever order."""
    sent, chunks = sent_chunks(100, 60)
    arrived: set[int] = set()
    seen: list[int] = []
    for _ in range(acknowledgements):
        arrived |= {tsn for tsn in range(100, 160) if source.random() < 0.1}
        cumulative = 99
        while cumulative + 1 in arrived:
            cumulative += 1
        blocks: list[tuple[int, int]] = []
        for tsn in sorted(tsn for tsn in arrived if tsn > cumulative):
            if blocks and blocks[-1][1] == tsn - 1:
                blocks[-1] = (blocks[-1][0], tsn)
            else:
                blocks.append((tsn, tsn))
        # One that tells of less does not take anything back.
        told = blocks if source.random() < 0.7 else blocks[: len(blocks) // 2]
        new = sent.acknowledge(cumulative, told)
        seen += [chunk.tsn for chunk in new]
        sent.acknowledge(cumulative, told)
    seen += [chunk.tsn for chunk in sent.acknowledge(159, [])]
    assert sorted(seen) == list(range(100, 160))
    assert sent.in_flight == 0
    assert not sent
    assert all(chunk.state == ACKNOWLEDGED for chunk in chunks)


@given(st.randoms(use_true_random=False))
def test_the_newest_on_its_way_is_that_of_the_highest_tsn(source: random.Random) -> None:
    sent, chunks = sent_chunks(100, 40)
    blocks = [(t, t + source.randrange(3)) for t in range(105, 137, 5) if source.random() < 0.6]
    sent.acknowledge(99 + source.randrange(4), blocks)
    for chunk in source.sample(chunks, 10):
        if chunk.state != ACKNOWLEDGED:
            sent.leave(chunk, LOST)
    on_their_way = [chunk for chunk in chunks if chunk.state == IN_FLIGHT]
    assert sent.newest_in_flight() is (on_their_way[-1] if on_their_way else None)


def test_what_a_block_tells_of_is_not_walked_over() -> None:
    sent, chunks = sent_chunks(1, 5000)
    sent.acknowledge(0, [(2, 2500), (2502, 5000)])
    looked_at = []

    class Looked(dict[int, OutboundChunk]):
        def __getitem__(self, tsn: int) -> OutboundChunk:
            looked_at.append(tsn)
            return super().__getitem__(tsn)

    sent._chunks = Looked(sent._chunks)
    assert sent.newest_in_flight() is chunks[2500]
    sent.leave(chunks[2500], LOST)
    assert sent.newest_in_flight() is chunks[0]
    assert looked_at == [2501, 2501, 1]


def test_what_was_told_of_before_costs_nothing() -> None:
    sent, _ = sent_chunks(1, 5000)
    assert len(sent.acknowledge(0, [(2, 4000)])) == 3999
    looked_at = 0

    class Counting(dict[int, OutboundChunk]):
        def __getitem__(self, tsn: int) -> OutboundChunk:
            nonlocal looked_at
            looked_at += 1
            return super().__getitem__(tsn)

    sent._chunks = Counting(sent._chunks)
    assert sent.acknowledge(0, [(2, 4000)]) == []
    assert looked_at == 0
    assert [chunk.tsn for chunk in sent.acknowledge(0, [(2, 4001)])] == [4001]
    assert looked_at == 1


def test_the_other_side_goes_back_on_a_block() -> None:
    sent, chunks = sent_chunks(1, 10)
    sent.acknowledge(0, [(2, 3), (5, 8)])
    sent.acknowledge(0, [(2, 3), (6, 6)])
    assert [chunk.tsn for chunk in sent.renege()] == [5, 7, 8]
    assert {chunk.tsn for chunk in chunks if chunk.state == LOST} == {5, 7, 8}
    # On their way are 1, 4, 9 and 10.
    assert sent.in_flight == 4 * chunks[0].size
    assert [chunk.tsn for chunk in sent.acknowledge(8, [])] == [1, 4, 5, 7, 8]
