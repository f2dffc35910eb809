"""Draining: a cancelled server leaves its connections time to end in order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Closing:
    """Whether the server ends, and whom that concerns at once: those who wait for a request."""

    def __init__(self) -> None:
        self._is_set = False
        self._idle: dict[trio.CancelScope, None] = {}

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        """Nobody need wait for a request any more."""
        self._is_set = True
        for scope in self._idle:
            scope.cancel()

    def begin_idle(self, scope: trio.CancelScope) -> None:
        """Who waits for a request; if the server ends already, there is one attempt."""
        # Trio cancels at once what is entered too late. Set inside, the deadline is looked at
        # when the task first blocks.
        if self._is_set:
            scope.deadline = trio.current_time()
        self._idle[scope] = None

    def end_idle(self, scope: trio.CancelScope) -> None:
        """It waits no more."""
        del self._idle[scope]


class Drain:
    """Shields those who serve connections until the drain is over, if it ever begins."""

    def __init__(self) -> None:
        self._scopes: dict[trio.CancelScope, None] = {}
        self._deadline = math.inf

    @property
    def has_begun(self) -> bool:
        return self._deadline < math.inf

    @contextmanager
    def shield(self) -> Iterator[None]:
        """A block that is cancelled by the end of the drain only."""
        with trio.CancelScope(shield=True, deadline=self._deadline) as scope:
            self._scopes[scope] = None
            try:
                yield
            finally:
                del self._scopes[scope]

    def begin(self, deadline: float) -> None:
        """Whatever is shielded has until then."""
        self._deadline = deadline
        for scope in self._scopes:
            scope.deadline = deadline
