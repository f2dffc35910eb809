"""Pauses of a program: what it does often in a row is done together at the next.

A program that sends many messages is never done with the next one before the loop has dealt with
the last: each would be a packet, and a turn of the loop. What it has sent so far goes out when
it pauses, or after a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

MOMENT: Final = 0.001
"""Seconds that something waits at most, while the program goes on."""


class Pauses(trio.abc.Instrument):
    """Sees when the program pauses: all of its tasks wait."""

    _of_this_run: Final = trio.lowlevel.RunVar["Pauses | None"]("pauses", None)

    def __init__(self) -> None:
        self._count = 0
        # Whether somebody has been told of the last pause, and may ask for the next.
        self._is_told = False
        self._users = 0
        self._waiting: dict[Callable[[], None], None] = {}
        self._is_going_on = False
        self._until = 0.0
        self._clock = trio.lowlevel.current_clock()
        self._token = trio.lowlevel.current_trio_token()
        # A clock that jumps leaves no time for a pause.
        self._jumps = hasattr(self._clock, "autojump_threshold")

    @classmethod
    def enter(cls) -> Pauses:
        """Those of this run, until `leave` is called as often."""
        pauses = cls._of_this_run.get()
        if pauses is None:
            pauses = cls()
            cls._of_this_run.set(pauses)
            trio.lowlevel.add_instrument(pauses)
        pauses._users += 1
        return pauses

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            self.end()
            self._of_this_run.set(None)
            trio.lowlevel.remove_instrument(self)

    @property
    def count(self) -> int:
        """Another number than before if the program has paused meanwhile."""
        self._is_told = True
        return self._count

    def at_end(self, fn: Callable[[], None]) -> None:
        """Have something called soon, once: when nothing more is added in a turn, at a pause."""
        if not self._waiting:
            self._until = self._clock.current_time() + MOMENT
        self._waiting[fn] = None
        self._is_going_on = True

    def forget(self, fn: Callable[[], None]) -> None:
        """Have it not called: its time has come earlier."""
        self._waiting.pop(fn, None)

    def end(self) -> None:
        """Call it now."""
        while self._waiting:
            waiting = list(self._waiting)
            self._waiting.clear()
            for fn in waiting:
                fn()

    def before_io_wait(self, timeout: float) -> None:
        """Of `trio.abc.Instrument`."""
        if not self._waiting and not self._is_told:
            # Nobody would know the difference, and with a clock that jumps it costs to tell.
            return
        is_pause = timeout > 0 or (self._jumps and not _is_runnable())
        if is_pause and self._is_told:
            self._count += 1
            self._is_told = False
        if self._waiting and (
            is_pause or not self._is_going_on or self._clock.current_time() >= self._until
        ):
            # Trio has settled for how long it waits: whatever this wakes has to wake Trio, too.
            self._token.run_sync_soon(self.end, idempotent=True)
        self._is_going_on = False


def _is_runnable() -> bool:
    return trio.lowlevel.current_statistics().tasks_runnable > 0
