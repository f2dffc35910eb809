"""Timers of what has no task of its own: one task waits for the next of them."""

from __future__ import annotations

import math
from typing import NoReturn, Protocol

import trio

from .deadlines import Deadlines


class Expiring(Protocol):
    """Who has a deadline."""

    def expire(self) -> None:
        """It is reached. It must not raise."""


class Timers:
    """Deadlines on Trio's clock."""

    def __init__(self) -> None:
        self._deadlines: Deadlines[Expiring] = Deadlines()
        self._next = math.inf
        self._scope = trio.CancelScope()

    def __len__(self) -> int:
        return len(self._deadlines)

    def set(self, thing: Expiring, deadline: float) -> None:
        """Give a thing a deadline, instead of any other; ``inf`` is none."""
        self._deadlines.set(thing, deadline)
        if deadline < self._next:
            self._next = self._scope.deadline = deadline

    def end(self, thing: Expiring) -> None:
        """Let it have no deadline, if it has one."""
        self._deadlines.end(thing)

    async def run(self) -> NoReturn:
        """Tell those whose deadline is reached, until cancelled."""
        while True:
            for thing in self._deadlines.due(trio.current_time()):
                thing.expire()
            self._next = self._deadlines.next
            with trio.CancelScope(deadline=self._next) as self._scope:
                await trio.sleep_forever()
