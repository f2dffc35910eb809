"""Engines of the asyncio loop that aiortc needs: a Trio task, or a thread of its own.

In a Trio task it costs no crossing of threads, at which two threads hand each other the
interpreter's lock. In a thread it works everywhere. ``TRIO_RTC_ENGINE`` in the environment,
``stepped`` or ``portal``, chooses; by default it is a task where that is possible.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Final, Protocol

import trio
from anyio.from_thread import BlockingPortalProvider

from .loop_setup import set_up
from .stepper import Stepper


class Engine(Protocol):
    """The loop as one user sees it. All users at a time share it; it ends with the last."""

    async def enter(self) -> None:
        """Have the loop run. Cancelled, it has not been entered."""

    async def leave(self) -> None:
        """Need it no more; the last one waits until it has ended. Not to be cancelled."""

    def call_on_loop(self, fn: Callable[[], object]) -> None:
        """From Trio's thread: have something called on the loop, soon and in order."""

    def call_on_trio(self, fn: Callable[[], object]) -> None:
        """From the loop: the other way round. Dropped once Trio's run is over."""


def choose_engine() -> Engine:
    """The engine that is set, or else the one that is best here.

    Raises:
        ValueError: ``TRIO_RTC_ENGINE`` names none.
    """
    name = os.environ.get("TRIO_RTC_ENGINE") or ("stepped" if _can_step() else "portal")
    if name not in ENGINES:
        raise ValueError(f"TRIO_RTC_ENGINE is {name!r}, and not one of {', '.join(ENGINES)}")
    return ENGINES[name]()


def _can_step() -> bool:
    # A loop cannot run inside another, such as the host of Trio's guest mode.
    return sys.platform == "linux" and asyncio._get_running_loop() is None


class Portal:
    """A loop in a thread, which anyio's blocking portal starts and ends."""

    _provider: Final = BlockingPortalProvider("asyncio")

    def __init__(self) -> None:
        # A limiter of our own: nobody else's threads can keep us from leaving.
        self._limiter = trio.CapacityLimiter(1)
        self._token = trio.lowlevel.current_trio_token()
        self._loop: asyncio.AbstractEventLoop

    async def enter(self) -> None:
        self._loop = await trio.to_thread.run_sync(self._start, limiter=self._limiter)

    def _start(self) -> asyncio.AbstractEventLoop:
        portal = self._provider.__enter__()
        try:
            return portal.call(_prepare_loop)
        except BaseException:
            self._end()
            raise

    async def leave(self) -> None:
        # That blocks until the loop has ended, which must not hold up all of Trio.
        await trio.to_thread.run_sync(self._end, limiter=self._limiter)

    def _end(self) -> None:
        self._provider.__exit__(None, None, None)

    def call_on_loop(self, fn: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(fn)

    def call_on_trio(self, fn: Callable[[], object]) -> None:
        # What is posted in the same turn of the loop goes along.
        self._loop.call_soon(self._cross, fn)

    def _cross(self, fn: Callable[[], object]) -> None:
        try:
            self._token.run_sync_soon(fn, idempotent=True)
        except trio.RunFinishedError:
            return


async def _prepare_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.get_running_loop()
    set_up(loop)
    return loop


class Stepped:
    """A stock loop in a task of Trio: it runs while it has something to do, and then stops."""

    _of_this_run: Final = trio.lowlevel.RunVar["Stepper | None"]("asyncio loop", None)

    def __init__(self) -> None:
        self._stepper: Stepper

    async def enter(self) -> None:
        await trio.lowlevel.checkpoint()
        stepper = self._of_this_run.get()
        if stepper is None:
            stepper = Stepper()
            self._of_this_run.set(stepper)
            # Its owners are all who use it: none of their nurseries lasts as long as it does.
            trio.lowlevel.spawn_system_task(stepper.run, name="asyncio loop")
        stepper.users += 1
        self._stepper = stepper

    async def leave(self) -> None:
        self._stepper.users -= 1
        if not self._stepper.users:
            self._of_this_run.set(None)
            self._stepper.wake()
            await self._stepper.ended.wait()

    def call_on_loop(self, fn: Callable[[], object]) -> None:
        self._stepper.call(fn)

    def call_on_trio(self, fn: Callable[[], object]) -> None:
        self._stepper.posted.append(fn)


ENGINES: Final[dict[str, Callable[[], Engine]]] = {"stepped": Stepped, "portal": Portal}
