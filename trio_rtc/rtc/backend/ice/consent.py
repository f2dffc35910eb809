"""Consent freshness (RFC 7675): whether the other side is still there.

Everything that arrives is a sign of life. In silence we ask for one with a binding request,
which every ICE agent answers; aioice's own checks of consent (RFC 7675) need 30 s to give up.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from contextlib import suppress

from .restartable import RestartableIceTransport

STEPS = 4
"""Silence is noticed after so many steps: one may have begun just before it, three have asked."""

LOOK_SECONDS = 0.05
"""How often to look for the end of a silence that has been noticed."""


class ConsentFreshness:
    """Listens to a connection.

    Args:
        paths: gives the ways on which something may be heard.
        seconds: of silence, after which the other side counts as lost.
        on_change: is told when it does, and when it is heard again.
    """

    def __init__(
        self,
        paths: Callable[[], Iterable[RestartableIceTransport]],
        seconds: float,
        on_change: Callable[[], None],
    ):
        self.is_fresh = True
        self._paths = paths
        self._step = seconds / STEPS
        self._on_change = on_change
        self._silent_steps = 0
        self._lost = asyncio.Event()

    def lose(self) -> None:
        """Nothing can come any more, as the address that it would come to is gone."""
        self._lost.set()
        self._silent_steps = STEPS
        self._set(is_fresh=False)

    def _set(self, *, is_fresh: bool) -> None:
        if is_fresh != self.is_fresh:
            self.is_fresh = is_fresh
            self._on_change()

    async def run(self) -> None:
        """Listen, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                received = self._received()
                if self._silent_steps:
                    for path in self._paths():
                        group.create_task(path.check())
                await self._sleep(received)
                if self._lost.is_set():
                    # What came before that is no sign of life after it.
                    self._lost.clear()
                    continue
                # Counted in steps, and not by the clock: when this process was held up itself,
                # what came meanwhile is read first.
                self._silent_steps = 0 if self._received() != received else self._silent_steps + 1
                self._set(is_fresh=self._silent_steps < STEPS - 1)

    async def _sleep(self, received: int) -> None:
        """A step, or until something is heard after a silence."""
        if self.is_fresh:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._step):
                    await self._lost.wait()
            return
        looks = math.ceil(self._step / LOOK_SECONDS)
        for _ in range(looks):
            await asyncio.sleep(self._step / looks)
            if self._received() != received:
                return

    def _received(self) -> int:
        return sum(path.received for path in self._paths())
