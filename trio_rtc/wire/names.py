"""Names of peers and rooms: one rule for servers, clients and tokens. No I/O."""

from __future__ import annotations

import unicodedata
from typing import Final

from ..text import is_control

#: The longest name, in bytes of UTF-8.
LONGEST_NAME: Final = 512

#: Composed (NFC), a character is at most three of what it was made from (UAX 15, section 9).
_LONGEST_DECOMPOSED: Final = 4 * LONGEST_NAME


def clean_text(text: str) -> str:
    """A name as servers write it: composed (NFC), on one line, of bounded length.

    What would forge a line ``NAME,ID,CONNECTED`` becomes ``_``: commas, and what `is_control`.
    It is cut at 512 bytes, between characters if it is UTF-8; surrogates that stand for a byte
    (PEP 383) stay as they are, others become ``_``.
    """
    # What is beyond is cut off in any case, and need not be looked at.
    composed = unicodedata.normalize("NFC", text[:_LONGEST_DECOMPOSED])[: LONGEST_NAME + 1]
    cleaned = "".join("_" if _forges(character) else character for character in composed)
    encoded = cleaned.encode("utf-8", "surrogateescape")
    cut = encoded[:LONGEST_NAME]
    if len(cut) < len(encoded) and _is_utf8(encoded):
        return cut.decode("utf-8", "ignore")
    return cut.decode("utf-8", "surrogateescape")


def problem_of(text: str, *, room: bool = False) -> str | None:
    """Why nobody, or no room, may be called so; None if there is no reason.

    Of a peer's name, commas are no problem: the server writes ``_`` for them.
    """
    if len(text) > _LONGEST_DECOMPOSED:
        return f"is longer than {LONGEST_NAME} bytes"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "is no text: it has half a character"
    if any(map(is_control, text)):
        return "has control characters"
    if room and "," in text:
        return "has a comma"
    if (size := len(composed(text).encode())) > LONGEST_NAME:
        return f"is {size} bytes long, {LONGEST_NAME} are allowed"
    return None


def is_room(text: str) -> bool:
    """Whether a room may be called so; see `problem_of`."""
    return problem_of(text, room=True) is None


def composed(text: str) -> str:
    """The same text as it is compared (NFC): letters that are written otherwise are the same."""
    return unicodedata.normalize("NFC", text)


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
