"""Code phrases such as ``7-guitarist-paperweight``: a number that says where, and a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from ...errors import CallError

WORDS: Final = 2
NUMBERS: Final = 999


@cache
def word_list() -> Sequence[str]:
    """The words that phrases are made of: common nouns, none of them alike. Written for this."""
    text = (resources.files(__package__) / "words.txt").read_text(encoding="utf-8")
    return tuple(text.split())


@dataclass(frozen=True)
class Phrase:
    """A code phrase.

    Attributes:
        number: of the room in which its two ends meet, which is not secret.
        text: the whole of it.
    """

    number: int
    text: str

    @property
    def room(self) -> str:
        """Where its two ends meet, and the name of the one who waits there."""
        return f"code-{self.number}"


def make_phrase(choose: Callable[[int], int]) -> Phrase:
    """A new one; ``choose(n)`` is a number below n that nobody can guess."""
    words = word_list()
    number = 1 + choose(NUMBERS)
    secret = [words[choose(len(words))] for _ in range(WORDS)]
    return Phrase(number, "-".join([str(number), *secret]))


def read_phrase(typed: str) -> Phrase:
    """The phrase that somebody has typed.

    Raises:
        CallError: ``bad_code``: it is none.
    """
    words = re.split(r"[\s-]+", typed.strip().lower())
    if len(words) < 2 or not re.fullmatch("[0-9]{1,4}", words[0]) or not all(words):
        raise CallError(
            f"{typed[:60]!r} is no code: one is like 7-guitarist-paperweight",
            code="bad_code",
            fault="local",
        )
    return Phrase(int(words[0]), "-".join([str(int(words[0])), *words[1:]]))
