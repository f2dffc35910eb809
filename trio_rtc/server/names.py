"""The names of peers: decoded as the classic server does, and made harmless."""

from __future__ import annotations

import re
from typing import Final

from ..text import is_control

#: The longest name, in bytes.
LONGEST_NAME: Final = 512

_ESCAPE: Final = re.compile(rb"%([0-9A-Za-z])([0-9A-Za-z])")


def decode_name(query: bytes) -> bytes:
    """The name that a sign-in's query string stands for.

    What is no percent escape stays as it is; an escape whose digits go beyond F is reckoned on
    to Z, which the classic server does too.
    """
    return _ESCAPE.sub(_unescape, query.replace(b"+", b" "))


def clean_name(name: bytes) -> str:
    """A name that cannot be taken for anything else in a line ``NAME,ID,CONNECTED``.

    Commas, control characters and whatever a reader may hold for the end of a line become
    ``_``. It is cut at 512 bytes, between characters if it is UTF-8; what is not stays as it
    is, as surrogates (PEP 383).
    """
    return clean_text(name.decode("utf-8", "surrogateescape"))


def clean_text(text: str) -> str:
    """The same for a name that is text already; surrogates that stand for no byte become ``_``."""
    # A character more than there may be bytes is enough to know that it has to be cut.
    shortened = text[: LONGEST_NAME + 1]
    cleaned = "".join("_" if _forges(character) else character for character in shortened)
    encoded = cleaned.encode("utf-8", "surrogateescape")
    cut = encoded[:LONGEST_NAME]
    if len(cut) < len(encoded) and _is_utf8(encoded):
        return cut.decode("utf-8", "ignore")
    return cut.decode("utf-8", "surrogateescape")


def is_room(text: str) -> bool:
    """Whether a room may be called so: at most 512 bytes, no commas, no control characters."""
    if len(text) > LONGEST_NAME:
        return False
    return clean_text(text) == text and not any("\ud800" <= one <= "\udfff" for one in text)


def _unescape(match: re.Match[bytes]) -> bytes:
    high, low = int(match[1], 36), int(match[2], 36)
    return bytes([(high << 4 | low) & 0xFF])


def _forges(character: str) -> bool:
    if "\ud800" <= character <= "\udfff":
        return not "\udc80" <= character <= "\udcff"
    return character == "," or is_control(character)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
