"""A timer that is cheap to restart and to cancel: the loop's own is left as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timer:
    """Calls a function, unless it is restarted or cancelled before.

    Args:
        on_expired: is called on the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_expired: Callable[[], None]):
        self._loop = loop
        self._on_expired = on_expired
        self._due: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        self.start_at(self._loop.time() + seconds)

    def start_at(self, when: float) -> None:
        """Have it expire at a time of the loop's."""
        self._due = when
        if self._handle is not None and self._handle.when() > self._due:
            self._handle.cancel()
            self._handle = None
        if self._handle is None:
            self._handle = self._loop.call_at(self._due, self._look)

    def cancel(self) -> None:
        self._due = None

    def close(self) -> None:
        self._due = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        self._handle = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._handle = self._loop.call_at(self._due, self._look)
        else:
            self._due = None
            self._on_expired()
