"""Sizes of packets that chance outside of a seed does not change.

A signature of ECDSA has 70 to 72 bytes with P-256, as OpenSSL's own chance has it: a packet with
one counts as if all had one size, on its own and where TURN carries it. Otherwise a slow link would
take another time for it in each run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_HANDSHAKE: Final = 22
_RECORD_HEADER: Final = 13
_MESSAGE_HEADER: Final = 12

#: Handshake messages of DTLS that hold a signature, and bytes that they count as (RFC 5246,
#: section 7.4).
_SIGNED: Final = {11: 384, 12: 152, 15: 88}

#: First bytes of what TURN wraps data in: indications, and channel data (RFC 8656, section 12.4).
_INDICATIONS: Final = (b"\x00\x16", b"\x00\x17")
_CHANNELS: Final = range(0x40, 0x50)
_FIRST: Final = frozenset({0, _HANDSHAKE, *_CHANNELS})
_STUN_HEADER: Final = 20
_DATA: Final = 0x0013


def steady_length(data: bytes, *, is_stream: bool = False) -> int:
    """The bytes of a datagram, or of a segment of TCP, had all signatures one size."""
    if not data or data[0] not in _FIRST:
        return len(data)
    if data[0] == _HANDSHAKE:
        return len(data) + _missing(data)
    grown = 0
    for payload, is_padded in _carried(data, is_stream):
        size = len(payload) + (_missing(payload) if payload[:1] == b"\x16" else 0)
        grown += _padded(size) - _padded(len(payload)) if is_padded else size - len(payload)
    return len(data) + grown


def _carried(data: bytes, is_stream: bool) -> Iterator[tuple[bytes, bool]]:
    """What TURN carries in its messages, each with whether it is filled up to four bytes."""
    place = 0
    while place + 4 <= len(data):
        length = int.from_bytes(data[place + 2 : place + 4])
        if data[place] in _CHANNELS:
            payload = data[place + 4 : place + 4 + length]
            place += 4 + (_padded(length) if is_stream else length)
            if len(payload) == length:
                yield payload, is_stream
        elif data[place : place + 2] in _INDICATIONS:
            end = place + _STUN_HEADER + length
            place += _STUN_HEADER
            while place + 4 <= min(end, len(data)):
                kind, size = (int.from_bytes(data[at : at + 2]) for at in (place, place + 2))
                if kind == _DATA:
                    yield data[place + 4 : place + 4 + size], True
                place += 4 + _padded(size)
            place = end
        elif data[place] == 0:
            # Another message of STUN.
            place += _STUN_HEADER + length
        else:
            return


def _padded(size: int) -> int:
    return size + -size % 4


def _missing(flight: bytes) -> int:
    """Bytes by which a flight of DTLS counts as larger than it is."""
    missing, place = 0, 0
    while (message := place + _RECORD_HEADER) + _MESSAGE_HEADER <= len(flight):
        is_plain = flight[place] == _HANDSHAKE and flight[place + 3 : place + 5] == bytes(2)
        counted = _SIGNED.get(flight[message], 0) if is_plain else 0
        if counted:
            size, start, length = (
                int.from_bytes(flight[message + at : message + at + 3]) for at in (1, 6, 9)
            )
            # It counts with the last of its fragments. A larger one, as with an RSA key, is as
            # large as it is.
            missing += max(0, counted - size) if start + length == size else 0
        place = message + int.from_bytes(flight[place + 11 : place + 13])
    return missing
