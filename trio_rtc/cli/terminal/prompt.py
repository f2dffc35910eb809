"""A prompt that stays below what is printed."""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio
from rich.cells import cell_len, chop_cells

from .line_editor import LineEditor

#: Back to the first column, and everything from there on away.
CLEAR: Final = "\r\x1b[K"


def is_usable() -> bool:
    """Whether somebody sits at a terminal that can take a line back."""
    return os.isatty(0) and os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"


@contextmanager
def open_prompt(label: Callable[[], str]) -> Iterator[Prompt]:
    """Take the terminal over during the block.

    Args:
        label: what stands before the line that is typed.
    """
    before = termios.tcgetattr(0)
    tty.setcbreak(0, termios.TCSADRAIN)
    prompt = Prompt(label)
    try:
        prompt.show()
        yield prompt
    finally:
        prompt.close()
        termios.tcsetattr(0, termios.TCSADRAIN, before)


class Prompt:
    """Lines above, and the one that is typed below them. From `open_prompt`."""

    def __init__(self, label: Callable[[], str]):
        self._label = label
        self._editor = LineEditor()
        self._open = True

    def show(self) -> None:
        """Draw the line that is typed: of one that is too long its end."""
        if not self._open:
            return
        columns = os.get_terminal_size(1).columns
        line = f"{self._label()}{self._editor.text}"
        if cell_len(line) >= columns:
            line = "…" + _end_of(line, columns - 2)
        print(CLEAR + line, end="", flush=True)

    def print_above(self, text: str) -> None:
        """Print a line, and have the prompt below it again."""
        print(f"{CLEAR if self._open else ''}{text}", flush=True)
        self.show()

    async def lines(self) -> AsyncGenerator[str]:
        """Each line that is typed, up to Ctrl-D."""
        while not self._editor.ended:
            await trio.lowlevel.wait_readable(0)
            data = os.read(0, 65536)
            if not data:
                return
            for line in self._editor.type(data):
                print(CLEAR, end="")
                yield line
            self.show()

    def close(self) -> None:
        """What is printed from now on has no prompt below it."""
        if self._open:
            self._open = False
            print(CLEAR, end="", flush=True)


def _end_of(line: str, cells: int) -> str:
    """As much of the end of a line as has room."""
    return chop_cells(line[::-1], max(cells, 1))[0][::-1] if line else ""
