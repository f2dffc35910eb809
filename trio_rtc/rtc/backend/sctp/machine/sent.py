"""Sent chunks that are not acknowledged for good: an index by TSN, and what is on its way."""

from __future__ import annotations

from collections.abc import Sequence

from .outbound import ACKNOWLEDGED, IN_FLIGHT, LOST, OutboundChunk


class SentChunks:
    """The chunks above the cumulative TSN.

    An acknowledgement costs what is new in it, and not what is on its way: blocks that were told
    before are passed over. What a gap block has told of stays here, for a receiver may go back on
    it (RFC 9260, section 6.2).

    Args:
        next_tsn: the first that will be used.

    Attributes:
        acknowledged: the cumulative TSN.
        in_flight: the cost of what is on its way.
    """

    def __init__(self, next_tsn: int):
        self.acknowledged = next_tsn - 1
        self.in_flight = 0
        self._next = next_tsn
        self._chunks: dict[int, OutboundChunk] = {}
        self._blocks: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def next_tsn(self) -> int:
        return self._next

    def add(self, chunk: OutboundChunk) -> None:
        """Keep a new one. It has the next TSN."""
        self._chunks[chunk.tsn] = chunk
        self._next = chunk.tsn + 1

    def get(self, tsn: int) -> OutboundChunk | None:
        return self._chunks.get(tsn)

    def newest_in_flight(self) -> OutboundChunk | None:
        """That of the highest TSN. What a gap block has told of is passed over at once."""
        tsn = self._next - 1
        for start, end in (*reversed(self._blocks.items()), (0, self.acknowledged)):
            while tsn > end:
                chunk = self._chunks[tsn]
                if chunk.state == IN_FLIGHT:
                    return chunk
                tsn -= 1
            tsn = start - 1
        return None

    def depart(self, chunk: OutboundChunk) -> None:
        """It is on its way."""
        chunk.state = IN_FLIGHT
        self.in_flight += chunk.size

    def leave(self, chunk: OutboundChunk, state: int) -> None:
        """It is no longer on its way, if it was."""
        if chunk.state == IN_FLIGHT:
            self.in_flight -= chunk.size
        chunk.state = state

    def acknowledge(self, tsn: int, blocks: Sequence[tuple[int, int]]) -> list[OutboundChunk]:
        """Take a cumulative TSN and blocks above it, in order; return what is new in them."""
        new: list[OutboundChunk] = []
        for passed in range(self.acknowledged + 1, tsn + 1):
            chunk = self._chunks.pop(passed)
            if chunk.state <= LOST:
                if chunk.state == IN_FLIGHT:
                    self.in_flight -= chunk.size
                chunk.state = ACKNOWLEDGED
                new.append(chunk)
        self.acknowledged = tsn
        if blocks:
            self._take(blocks, new)
        elif self._blocks:
            self._blocks.clear()
        return new

    def _take(self, blocks: Sequence[tuple[int, int]], new: list[OutboundChunk]) -> None:
        known = self._blocks
        for start, end in blocks:
            told = known.get(start)
            if told == end:
                continue
            tsn = start if told is None else told + 1
            while tsn <= end:
                jump = known.get(tsn)
                if jump is not None:
                    tsn = jump + 1
                    continue
                chunk = self._chunks[tsn]
                tsn += 1
                if chunk.state <= LOST:
                    self.leave(chunk, ACKNOWLEDGED)
                    new.append(chunk)
        self._blocks = dict(blocks)

    def renege(self) -> list[OutboundChunk]:
        """What the last blocks do not tell of any more is not there; return it, now lost."""
        gone = [
            chunk
            for chunk in self._chunks.values()
            if chunk.state == ACKNOWLEDGED and not self._is_told(chunk.tsn)
        ]
        for chunk in gone:
            chunk.state = LOST
        return gone

    def _is_told(self, tsn: int) -> bool:
        return any(start <= tsn <= end for start, end in self._blocks.items())


def absolute(blocks: Sequence[tuple[int, int]], tsn: int, last: int) -> list[tuple[int, int]]:
    """Gap blocks as TSNs, or none if they are not in order, or tell of what was never sent."""
    found: list[tuple[int, int]] = []
    end = tsn
    for first, final in blocks:
        start = tsn + first
        if start <= end or final < first:
            return []
        end = tsn + final
        found.append((start, end))
    return found if end <= last else []
