"""A line that is being typed, by the keys of a terminal in cbreak mode. No I/O."""

from __future__ import annotations

import codecs
from typing import Final

from ...text import is_control

HISTORY: Final = 100
"""Lines that the arrows bring back."""

ESCAPE: Final = "\x1b"


class LineEditor:
    """Takes what a terminal sends, and gives the lines that are complete.

    Attributes:
        text: what has been typed of the next line.
        ended: whether Ctrl-D was pressed on an empty line.
    """

    def __init__(self) -> None:
        self.text = ""
        self.ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._sequence = ""
        self._history: list[str] = []
        # Where the arrows are in the history, and what was typed before they went there.
        self._place = 0
        self._unfinished = ""

    def type(self, data: bytes) -> list[str]:
        """Take what has been typed; the lines that it completes."""
        lines = []
        for character in self._decoder.decode(data):
            if self.ended:
                break
            if self._sequence:
                self._continue_sequence(character)
            elif character == ESCAPE:
                self._sequence = ESCAPE
            elif character in "\r\n":
                lines.append(self._finish())
            else:
                self._press(character)
        return lines

    def _press(self, character: str) -> None:
        match character:
            case "\x04":  # Ctrl-D
                self.ended = not self.text
            case "\x7f" | "\b":
                self.text = self.text[:-1]
            case "\x15":  # Ctrl-U
                self.text = ""
            case "\x17":  # Ctrl-W
                self.text = self.text.rstrip().rpartition(" ")[0]
                self.text += " " if self.text else ""
            case "\t":
                self.text += " "
            case _ if not is_control(character):
                self.text += character

    def _finish(self) -> str:
        line, self.text = self.text, ""
        if line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-HISTORY:]
        self._place = len(self._history)
        return line

    def _continue_sequence(self, character: str) -> None:
        """A key that is more than a character (ECMA-48, section 5.4): the arrows mean something."""
        self._sequence += character
        begins = self._sequence in (ESCAPE + "[", ESCAPE + "O")
        if begins or (self._sequence[1] == "[" and not "@" <= character <= "~"):
            return
        sequence, self._sequence = self._sequence[1:], ""
        if sequence in ("[A", "OA"):
            self._recall(self._place - 1)
        elif sequence in ("[B", "OB"):
            self._recall(self._place + 1)

    def _recall(self, place: int) -> None:
        if not 0 <= place <= len(self._history):
            return
        if self._place == len(self._history):
            self._unfinished = self.text
        self._place = place
        self.text = self._history[place] if place < len(self._history) else self._unfinished
