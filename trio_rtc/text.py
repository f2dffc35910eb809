"""Text of others, made fit to be shown: on one line, of bounded length, and steering nothing."""

from __future__ import annotations

import unicodedata
from typing import Final

#: Control characters, and whatever else a reader may take for the end of a line.
_CONTROL: Final = ("Cc", "Zl", "Zp")

#: Formatting that has text stand elsewhere than it is (Unicode's property Bidi_Control).
_BIDIRECTIONAL: Final = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))

_ESCAPES: Final = (
    {number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0))}
    | {number: f"\\u{number:04x}" for number in (0x2028, 0x2029, *_BIDIRECTIONAL)}
    # Half of a character: no encoder takes it.
    | {number: f"\\u{number:04x}" for number in range(0xD800, 0xE000)}
)


def is_control(character: str) -> bool:
    """Whether a character is one of control, also of the direction, or separates lines."""
    return unicodedata.category(character) in _CONTROL or ord(character) in _BIDIRECTIONAL


def escaped(text: str) -> str:
    """The text with everything escaped that would steer a terminal, or begin another line."""
    return text.translate(_ESCAPES)


def one_line(text: str, limit: int = 160) -> str:
    """The text on one line, escaped, with at most ``limit`` characters and dots for the rest."""
    line = escaped(" ".join(text[: 4 * limit].split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
