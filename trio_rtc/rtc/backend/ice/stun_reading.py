"""What a mux reads of STUN messages (RFC 8489, section 5), before any agent does."""

from __future__ import annotations

from typing import Final

HEADER: Final = 20
"""Bytes that each one has."""

_LAST_OF_STUN: Final = 3
_USERNAME: Final = 0x0006
_CLASS: Final = 0x0110
_RESPONSE: Final = 0x0100


def is_stun(data: bytes) -> bool:
    """Whether it may be one (RFC 7983, section 7)."""
    return len(data) >= HEADER and data[0] <= _LAST_OF_STUN


def is_request(data: bytes) -> bool:
    """Whether it is a request."""
    return is_stun(data) and not int.from_bytes(data[:2]) & _CLASS


def is_response(data: bytes) -> bool:
    """Whether it is an answer to one, be it an error."""
    return is_stun(data) and bool(int.from_bytes(data[:2]) & _RESPONSE)


def transaction(data: bytes) -> bytes:
    """The id that a request and its answer have in common."""
    return data[8:HEADER]


def username(data: bytes) -> str:
    """The USERNAME of a message; empty if it has none that can be read."""
    place = HEADER
    while place + 4 <= len(data):
        kind, length = (
            int.from_bytes(data[place : place + 2]),
            int.from_bytes(data[place + 2 : place + 4]),
        )
        if kind == _USERNAME:
            return data[place + 4 : place + 4 + length].decode("utf-8", "replace")
        place += 4 + length + -length % 4
    return ""
