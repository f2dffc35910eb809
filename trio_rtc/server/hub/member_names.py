"""Names of members as classic clients send them."""

from __future__ import annotations

import re
from typing import Final

from ...wire.names import LONGEST_NAME, clean_text, is_room

__all__ = ["LONGEST_NAME", "clean_name", "clean_text", "decode_name", "is_room"]

_ESCAPE: Final = re.compile(rb"%([0-9A-Za-z])([0-9A-Za-z])")


def decode_name(query: bytes) -> bytes:
    """The name that a sign-in's query string stands for.

    What is no percent escape stays as it is; an escape whose digits go beyond F is reckoned on
    to Z, which the classic server does too.
    """
    return _ESCAPE.sub(_unescape, query.replace(b"+", b" "))


def clean_name(name: bytes) -> str:
    """A name as `names.clean_text` has it; bytes that are no UTF-8 stay, as surrogates."""
    return clean_text(name.decode("utf-8", "surrogateescape"))


def _unescape(match: re.Match[bytes]) -> bytes:
    high, low = int(match[1], 36), int(match[2], 36)
    return bytes([(high << 4 | low) & 0xFF])
