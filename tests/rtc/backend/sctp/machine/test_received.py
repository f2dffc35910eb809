"""What has arrived, as ranges, and the SACKs that tell of it."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

from aiortc.rtcsctptransport import SackChunk
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.backend.sctp.machine.received import (
    MAX_DUPLICATES,
    SACK_SECONDS,
    Received,
    SackPolicy,
    parse_sack,
)


def sack(received: Received, room: int = 1200) -> SackChunk:
    """As aiortc reads it."""
    chunk = received.sack(5000, room)
    assert len(chunk) == int.from_bytes(chunk[2:4], "big") <= room
    return SackChunk(flags=chunk[1], body=chunk[4:])


def told(read: SackChunk) -> set[int]:
    return {
        (read.cumulative_tsn + position) & 0xFFFFFFFF
        for first, last in read.gaps
        for position in range(first, last + 1)
    }


@given(st.integers(0, 2**32 - 1), st.randoms(use_true_random=False), st.integers(1, 80))
def test_a_sack_tells_what_has_arrived(start: int, source: random.Random, count: int) -> None:
    received = Received(start - 1)
    arrived: set[int] = set()
    for _ in range(count):
        offset = source.randint(0, 40)
        assert received.add((start + offset) & 0xFFFFFFFF) == (offset not in arrived)
        arrived.add(offset)
    in_order = 0
    while in_order in arrived:
        in_order += 1
    read = sack(received)
    assert read.cumulative_tsn == (start + in_order - 1) & 0xFFFFFFFF
    assert told(read) == {(start + offset) & 0xFFFFFFFF for offset in arrived if offset > in_order}
    blocks = read.gaps
    assert all(one[1] + 1 < other[0] for one, other in pairwise(blocks))


def test_a_sack_is_as_long_as_it_says() -> None:
    header = bytes.fromhex("00000009 00001388 0003 0001")
    rest = bytes.fromhex("0002 0003 0005 0005 0007 0009 00000004")
    assert parse_sack(header + rest) == (9, 5000, [(2, 3), (5, 5), (7, 9)], (4,))
    assert parse_sack(header + rest[:-1]) is None
    assert parse_sack(header[:-1]) is None


def test_what_comes_twice_is_told_of_once() -> None:
    received = Received(9)
    for tsn in (10, 12, 10, 12, 12):
        received.add(tsn)
    assert sorted(sack(received).duplicates) == [10, 12, 12]
    assert sack(received).duplicates == []
    for _ in range(1000):
        received.add(10)
    assert len(sack(received).duplicates) == MAX_DUPLICATES


def test_of_too_many_gaps_it_tells_of_the_first_and_the_last() -> None:
    received = Received(0)
    for tsn in range(2, 2002, 2):
        received.add(tsn)
    read = sack(received, room=16 + 4 * 100)
    assert [first for first, _ in read.gaps] == [*range(2, 102, 2), *range(1902, 2002, 2)]


def test_a_gap_that_is_too_far_waits() -> None:
    received = Received(0)
    for tsn in (2, 0xFFFF, 0x1_0001):
        received.add(tsn)
    assert sack(received).gaps == [(2, 2), (0xFFFF, 0xFFFF)]
    received.add(1)
    assert told(sack(received)) == {0xFFFF, 0x1_0001}


def test_what_is_passed_over_counts_as_arrived() -> None:
    received = Received(0)
    for tsn in (3, 4, 6, 9):
        received.add(tsn)
    assert received.pass_over(5)
    assert (received.cumulative, sack(received).gaps) == (6, [(3, 3)])
    assert not received.pass_over(6)


def test_news_are_gaps_and_what_comes_twice() -> None:
    received = Received(0)
    seen = []
    for tsn in (1, 2, 4, 5, 4, 3, 6):
        received.add(tsn)
        seen.append(received.has_news)
        received.sack(0, 1200)
    assert seen == [False, False, True, False, True, True, False]


def test_a_sack_is_read_as_aiortc_wrote_it() -> None:
    written = SackChunk()
    written.cumulative_tsn, written.advertised_rwnd = 2**32 - 1, 2**32 - 1
    assert parse_sack(bytes(written)[4:]) == (2**32 - 1, 2**32 - 1, [], ())
    written.gaps, written.duplicates = [(2, 3), (7, 7)], [9, 2**32 - 2]
    assert parse_sack(bytes(written)[4:]) == (
        2**32 - 1,
        2**32 - 1,
        [(2, 3), (7, 7)],
        (9, 2**32 - 2),
    )
    for end in range(4, len(bytes(written))):
        assert parse_sack(bytes(written)[4:end]) is None


def test_every_second_packet_is_acknowledged() -> None:
    policy = SackPolicy(4)
    assert not policy.arrived(1.0, size=1200, at_once=False)
    assert policy.due == 1.0 + SACK_SECONDS
    assert not policy.arrived(1.001, size=1200, at_once=False)
    assert policy.due == 1.001
    # What comes together with it may wait for it to be looked at, up to the fourth.
    assert [policy.arrived(1.001, size=1200, at_once=False) for _ in range(2)] == [False, True]
    policy.acknowledged()
    assert policy.due is None


def test_what_is_not_as_usual_is_acknowledged_at_once() -> None:
    policy: Any = SackPolicy(4)
    policy.arrived(1.0, size=1200, at_once=True)
    assert policy.due == 1.0
