"""Transport-wide feedback of RTCP: which packets arrived, and when.

It is the message of draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1: RTCP of type
205 (RTPFB) and format 15. Times are in ticks of 250 µs of a clock of the receiver's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

PACKET_TYPE: Final = 205
FORMAT: Final = 15
VERSION: Final = 0x80
PADDED: Final = 0x20

TICK: Final = 0.000_25
"""Seconds of the unit of times."""

REFERENCE_TICKS: Final = 256
"""Ticks of the unit of the reference time: 64 ms."""

REFERENCE_BITS: Final = 24

MOST_STATUSES: Final = 1000
"""Packets that one message tells of, so that it fits into a datagram with any deltas."""

_HEADER: Final = struct.Struct("!BBHLLHHL")
_MISSING, _SMALL, _LARGE = range(3)
_RUN, _ONE_BIT, _TWO_BITS = 13, 14, 7
_MOST_IN_RUN: Final = (1 << _RUN) - 1


class TransportFeedback(NamedTuple):
    """What one message tells.

    Attributes:
        sender_ssrc: a source of who sends it.
        media_ssrc: one of the sources that it is about.
        number: of this message, 0 to 255.
        first: the transport-wide sequence number of the first packet that it tells of.
        arrivals: when that one and those after it arrived, in ticks of 250 µs; None for one that
            did not. The clock wraps with `REFERENCE_BITS`.
    """

    sender_ssrc: int
    media_ssrc: int
    number: int
    first: int
    arrivals: tuple[int | None, ...]

    def __bytes__(self) -> bytes:
        """The message.

        Raises:
            ValueError: the time between two arrivals is longer than a delta can tell, 8 s.
        """
        reference = next(time for time in self.arrivals if time is not None) // REFERENCE_TICKS
        symbols, deltas = _symbols(self.arrivals, reference * REFERENCE_TICKS)
        body = b"".join(struct.pack("!H", chunk) for chunk in _chunks(symbols)) + deltas
        padding = -len(body) % 4
        if padding:
            # The last byte tells how many there are (RFC 3550, section 6.4.1).
            body += bytes(padding - 1) + bytes([padding])
        header = _HEADER.pack(
            VERSION | (PADDED if padding else 0) | FORMAT,
            PACKET_TYPE,
            (_HEADER.size + len(body)) // 4 - 1,
            self.sender_ssrc,
            self.media_ssrc,
            self.first,
            len(self.arrivals),
            (reference % (1 << REFERENCE_BITS)) << 8 | self.number,
        )
        return header + body

    @classmethod
    def parse(cls, data: bytes) -> TransportFeedback:
        """Read one message.

        Raises:
            ValueError: it is none, or cut short.
        """
        if len(data) < _HEADER.size:
            raise ValueError("transport-wide feedback is cut short")
        _, _, _, sender, media, first, count, reference = _HEADER.unpack_from(data)
        if not count:
            raise ValueError("transport-wide feedback tells of no packet")
        end = len(data) - (data[-1] if data[0] & PADDED else 0)
        symbols: list[int] = []
        at = _HEADER.size
        while len(symbols) < count:
            if at + 2 > end:
                raise ValueError("transport-wide feedback is cut short")
            symbols += _symbols_of(struct.unpack_from("!H", data, at)[0], count - len(symbols))
            at += 2
        arrivals = _read_arrivals(data[at:end], symbols, (reference >> 8) * REFERENCE_TICKS)
        return cls(sender, media, reference & 0xFF, first, arrivals)


def is_feedback(data: bytes) -> bool:
    """Whether a packet of RTCP is such a message."""
    return data[1] == PACKET_TYPE and data[0] & 0x1F == FORMAT


def split_compound(data: bytes) -> tuple[list[bytes], bytes]:
    """Those messages of a compound packet (RFC 3550, section 6.1), and what else is in it."""
    found: list[bytes] = []
    rest = b""
    at = 0
    while at + 4 <= len(data):
        end = at + 4 * (int.from_bytes(data[at + 2 : at + 4]) + 1)
        part = data[at:end]
        if is_feedback(part) and end <= len(data):
            found.append(part)
        else:
            rest += part
        at = end
    return found, rest + data[at:]


def _symbols(arrivals: Sequence[int | None], before: int) -> tuple[list[int], bytes]:
    """The status of each packet, and the deltas of those that arrived (section 3.1.5)."""
    symbols = []
    deltas = b""
    for arrival in arrivals:
        if arrival is None:
            symbols.append(_MISSING)
            continue
        delta, before = arrival - before, arrival
        if 0 <= delta <= 0xFF:
            symbols.append(_SMALL)
            deltas += bytes([delta])
        elif -0x8000 <= delta <= 0x7FFF:
            symbols.append(_LARGE)
            deltas += struct.pack("!h", delta)
        else:
            raise ValueError("too long a time between two arrivals")
    return symbols, deltas


def _chunks(symbols: Sequence[int]) -> Iterator[int]:
    """Statuses as chunks: runs (section 3.1.3), and vectors (section 3.1.4)."""
    at = 0
    while at < len(symbols):
        run = 1
        while at + run < len(symbols) and symbols[at + run] == symbols[at] and run < _MOST_IN_RUN:
            run += 1
        vector = symbols[at : at + _ONE_BIT]
        if run >= len(vector) or (run >= _TWO_BITS and _LARGE in vector):
            yield symbols[at] << _RUN | run
            at += run
        elif _LARGE not in vector:
            bits = sum(symbol << (_ONE_BIT - 1 - n) for n, symbol in enumerate(vector))
            yield 0x8000 | bits
            at += len(vector)
        else:
            vector = symbols[at : at + _TWO_BITS]
            bits = sum(symbol << 2 * (_TWO_BITS - 1 - n) for n, symbol in enumerate(vector))
            yield 0xC000 | bits
            at += len(vector)


def _symbols_of(chunk: int, most: int) -> list[int]:
    if not chunk & 0x8000:
        return [chunk >> _RUN & 3] * min(chunk & _MOST_IN_RUN, most)
    if not chunk & 0x4000:
        return [chunk >> (_ONE_BIT - 1 - n) & 1 for n in range(min(_ONE_BIT, most))]
    return [chunk >> 2 * (_TWO_BITS - 1 - n) & 3 for n in range(min(_TWO_BITS, most))]


def _read_arrivals(deltas: bytes, symbols: Sequence[int], time: int) -> tuple[int | None, ...]:
    arrivals: list[int | None] = []
    at = 0
    for symbol in symbols:
        if symbol == _MISSING:
            arrivals.append(None)
            continue
        size = 1 if symbol == _SMALL else 2
        delta = deltas[at : at + size]
        if len(delta) < size or symbol not in (_SMALL, _LARGE):
            raise ValueError("transport-wide feedback is cut short")
        time += int.from_bytes(delta, signed=symbol == _LARGE)
        arrivals.append(time)
        at += size
    return tuple(arrivals)
