"""Received TSNs, as ranges, and when to acknowledge them (RFC 9260, section 6.2)."""

from __future__ import annotations

from bisect import bisect_right
from struct import Struct, pack, unpack_from
from typing import Final

from .serial import on_wire, unwrap

SACK: Final = 3
_HEADER: Final = Struct("!BBHLLHH")
_FIELDS: Final = Struct("!LLHH")
_FARTHEST: Final = 0xFFFF
"""The farthest that a gap block can tell of, from the cumulative TSN."""

SACK_SIZE: Final = _HEADER.size
"""Bytes of one without gaps."""

SACK_SECONDS: Final = 0.02
"""How long a packet may wait for another, to be acknowledged with it."""

MOST_WAITING: Final = 64 * 1024
"""Bytes that are acknowledged together at most: where packets are large, few of them are a window,
and who sends them would wait until all are read."""

MAX_DUPLICATES: Final = 32


class Received:
    """The TSNs that have arrived.

    Args:
        last: the one before the first.

    Attributes:
        cumulative: the last before which all has arrived.
        has_news: whether a gap has opened or closed, or something came twice, since the last SACK.
    """

    def __init__(self, last: int):
        self.cumulative = last
        self.has_news = False
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._duplicates: list[int] = []

    @property
    def has_gaps(self) -> bool:
        return bool(self._starts)

    def add(self, bits: int) -> bool:
        """Take the TSN of a chunk; return whether it is new."""
        tsn = unwrap(bits, self.cumulative)
        starts, ends = self._starts, self._ends
        if tsn == self.cumulative + 1:
            self.cumulative = tsn
            if starts:
                self._join()
            return True
        if tsn <= self.cumulative:
            return self._repeat(tsn)
        # Mostly it follows the last.
        at = len(starts) if starts and tsn > starts[-1] else bisect_right(starts, tsn)
        if at and tsn <= ends[at - 1]:
            return self._repeat(tsn)
        joins_before = at > 0 and ends[at - 1] == tsn - 1
        joins_after = at < len(starts) and starts[at] == tsn + 1
        self.has_news = self.has_news or joins_before == joins_after
        if joins_before and joins_after:
            ends[at - 1] = ends.pop(at)
            del starts[at]
        elif joins_before:
            ends[at - 1] = tsn
        elif joins_after:
            starts[at] = tsn
        else:
            starts.insert(at, tsn)
            ends.insert(at, tsn)
        return True

    def pass_over(self, bits: int) -> bool:
        """Count all up to a TSN as arrived (RFC 3758, section 3.6); return whether that is news."""
        tsn = unwrap(bits, self.cumulative)
        if tsn <= self.cumulative:
            return False
        self.cumulative = tsn
        self._join()
        return True

    def _join(self) -> None:
        starts, ends = self._starts, self._ends
        passed = 0
        for start, end in zip(starts, ends, strict=True):
            if start > self.cumulative + 1:
                break
            self.cumulative = max(self.cumulative, end)
            passed += 1
        if passed:
            self.has_news = True
            del starts[:passed], ends[:passed]

    def _repeat(self, tsn: int) -> bool:
        self.has_news = True
        if len(self._duplicates) < MAX_DUPLICATES:
            self._duplicates.append(tsn)
        return False

    def sack(self, window: int, room: int) -> bytes:
        """The SACK chunk, of so many bytes at most.

        If there is not room for all gaps it tells of the first and the last: those between are the
        ones whose senders will hear most of, soon.
        """
        self.has_news = False
        cumulative = self.cumulative
        if not self._starts and not self._duplicates:
            return _HEADER.pack(SACK, 0, _HEADER.size, on_wire(cumulative), window, 0, 0)
        edges = [
            edge - cumulative
            for block in zip(self._starts, self._ends, strict=True)
            for edge in block
        ]
        while edges and edges[-1] > _FARTHEST:
            del edges[-2:]
        duplicates, self._duplicates = self._duplicates, []
        most = (room - _HEADER.size) // 4
        if len(edges) > 2 * most:
            half = most // 2 * 2
            edges = edges[:half] + edges[-half:]
        blocks = len(edges) // 2
        duplicates = duplicates[: most - blocks]
        length = _HEADER.size + 4 * (blocks + len(duplicates))
        return pack(
            f"!BBHLLHH{2 * blocks}H{len(duplicates)}L",
            *(SACK, 0, length, on_wire(cumulative), window, blocks, len(duplicates)),
            *edges,
            *map(on_wire, duplicates),
        )


def parse_sack(
    body: bytes,
) -> tuple[int, int, list[tuple[int, int]], tuple[int, ...]] | None:
    """The four fields of a SACK chunk after its header: TSN, window, gap blocks and duplicates.

    Returns:
        None if it is not as long as it says.
    """
    if len(body) < _FIELDS.size:
        return None
    tsn, window, blocks, duplicates = _FIELDS.unpack_from(body)
    if not blocks and not duplicates:
        return tsn, window, [], ()
    if len(body) < _FIELDS.size + 4 * (blocks + duplicates):
        return None
    rest = unpack_from(f"!{2 * blocks}H{duplicates}L", body, _FIELDS.size)
    edges = rest[: 2 * blocks]
    return (
        tsn,
        window,
        list(zip(edges[::2], edges[1::2], strict=True)),
        rest[2 * blocks :],
    )


class SackPolicy:
    """When to acknowledge: with every second packet, and what has come together with it;
    otherwise after 20 ms; what is not as usual with what has come together with it.

    Args:
        most: packets that are acknowledged together at most.

    Attributes:
        due: when a SACK is to be sent, if nothing else is before: at once means when all that has
            come together has been looked at.
    """

    def __init__(self, most: int):
        self.most = most
        self.due: float | None = None
        self._waiting = self._waiting_size = 0

    def arrived(self, now: float, *, size: int, at_once: bool) -> bool:
        """Take a packet with data, of so many bytes; return whether to acknowledge without looking
        at more.
        """
        self._waiting += 1
        self._waiting_size += size
        if at_once or self._waiting > 1:
            self.due = now
        elif self.due is None:
            self.due = now + SACK_SECONDS
        return self._waiting >= self.most or self._waiting_size >= MOST_WAITING

    def acknowledged(self) -> None:
        self.due = None
        self._waiting = self._waiting_size = 0
