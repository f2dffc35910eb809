"""Wrapping of sentences at words, where a terminal would break them anywhere."""

from __future__ import annotations

import os
import textwrap
from typing import TextIO

from ...text import escaped

NARROWEST = 20
"""Columns below which the terminal may break them as it likes."""


def wrapped(text: str, stream: TextIO, indent: str = "") -> str:
    """A line as it is to be printed to this stream; elsewhere than on a terminal it stays one.

    Args:
        text: the line.
        stream: where it goes.
        indent: what its second line, and those after that, begin with.
    """
    return wrapped_to(text, _columns(stream), indent)


def print_wrapped(text: str, stream: TextIO, indent: str = "") -> None:
    """Print a sentence, of which a part may be of others."""
    print(wrapped(escaped(text), stream, indent), file=stream, flush=True)


def wrapped_to(text: str, columns: int, indent: str = "") -> str:
    """The same for so many columns; 0 is no end of them. No word is broken, to be copied whole."""
    if columns < NARROWEST or len(text) <= columns or "\n" in text:
        return text
    begin = text[: len(text) - len(text.lstrip())]
    return textwrap.fill(
        text.lstrip(),
        columns,
        initial_indent=begin,
        subsequent_indent=indent or begin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        return 0
