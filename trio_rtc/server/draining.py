"""How a cancelled server leaves its connections time to end in order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Drain:
    """Shields those who serve connections until the drain is over, if it ever begins."""

    def __init__(self) -> None:
        self._scopes: set[trio.CancelScope] = set()
        self._deadline = math.inf

    @property
    def has_begun(self) -> bool:
        return self._deadline < math.inf

    @contextmanager
    def shield(self) -> Iterator[None]:
        """A block that is cancelled by the end of the drain only."""
        with trio.CancelScope(shield=True, deadline=self._deadline) as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.remove(scope)

    def begin(self, deadline: float) -> None:
        """Whatever is shielded has until then."""
        self._deadline = deadline
        for scope in self._scopes:
            scope.deadline = deadline
