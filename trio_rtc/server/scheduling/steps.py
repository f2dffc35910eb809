"""Cooperative scheduling: work that is too much for one turn is done in steps. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Step: TypeAlias = Callable[[], bool]
"""Does a part of something, of a millisecond or so; tells whether there is more to do."""


class Turn:
    """How many things are done before others come: a millisecond or so of them."""

    def __init__(self, most: int = 64) -> None:
        self._left = most

    @property
    def is_over(self) -> bool:
        """Whether there may be more to do."""
        return self._left <= 0

    def some(self, things: Iterator[T]) -> Iterator[T]:
        """As many of these as may still be done. The others are not even asked for."""
        for thing in islice(things, self._left):
            self._left -= 1
            yield thing


def do_at_once(step: Step) -> None:
    """Do something to its end."""
    while step():
        pass
