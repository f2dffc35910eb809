"""A stock asyncio loop that never waits, and can be used without being run."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Collection
from contextvars import Context
from typing import Final, TypeVarTuple

Ts = TypeVarTuple("Ts")

BURST: Final = 0.002
"""Seconds for which a busy loop may keep the other tasks of Trio waiting."""

POLL_EVERY: Final = 4
"""How often a loop with other things to do goes round until it looks for what has come."""


class SteppedLoop(asyncio.SelectorEventLoop):
    """A stock loop that can be used without being run.

    Attributes:
        has_work: whether something was left to it since this was set to False.
    """

    has_work = False

    def call_directly(self, fn: Callable[[], object]) -> None:
        """Call it as the loop would, from outside."""
        asyncio._set_running_loop(self)
        try:
            fn()
        finally:
            asyncio._set_running_loop(None)

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self.has_work = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self.has_work = True
        return super().call_at(when, callback, *args, context=context)


class Selector(selectors.DefaultSelector):
    """It never waits: a loop that has to wait is stopped.

    Args:
        posted: what there is to do for Trio.

    Attributes:
        is_idle: whether it was stopped for that.
        clock: that of the loop.
        timeout: for how many seconds it would have waited then; None: for ever.
    """

    stop: Callable[[], None]
    clock: Callable[[], float]

    def __init__(self, posted: Collection[object]):
        super().__init__()
        self._posted = posted

    def begin(self) -> None:
        self.is_idle = False
        self.timeout: float | None = None
        self._until = self.clock() + BURST
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._rounds += 1
        if timeout == 0 and self._rounds % POLL_EVERY:
            return []
        if self._posted and timeout != 0:
            # Whoever waits for that goes first; what else has come, Trio will tell.
            self._be_idle(timeout)
            return []
        events = super().select(0)
        if not events and (timeout is None or timeout > 0):
            self._be_idle(timeout)
        elif self.clock() > self._until:
            self.stop()
        return events

    def _be_idle(self, timeout: float | None) -> None:
        self.is_idle = True
        self.timeout = timeout
        self.stop()
