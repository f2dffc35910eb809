"""Expiry queue: what is due after the same time for all, without a look at what is not. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Expiry(Generic[T]):
    """Things that each have the same time from when they begin to wait.

    Args:
        seconds: how long that is.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        # As all wait equally long, they end in the order in which they began.
        self._since: OrderedDict[T, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, thing: T) -> bool:
        return thing in self._since

    def begin(self, thing: T, now: float) -> None:
        """Let a thing wait from now on."""
        self._since[thing] = now
        self._since.move_to_end(thing)

    def end(self, thing: T) -> None:
        """Let it wait no more, if it does."""
        self._since.pop(thing, None)

    def due(self, now: float) -> Iterator[T]:
        """Those that have waited for longer, each of them once. They do not wait any more."""
        while self._since:
            thing, since = next(iter(self._since.items()))
            if since >= now - self._seconds:
                return
            del self._since[thing]
            yield thing
