"""Where the asyncio loop runs that aiortc needs: in a Trio task, or in a thread of its own.

In a Trio task it costs no crossing of threads, at which two threads hand each other the
interpreter's lock. In a thread it works everywhere. ``TRIO_RTC_ENGINE`` in the environment,
``stepped`` or ``portal``, chooses; by default it is a task where that is possible.
"""

from __future__ import annotations

import asyncio
import math
import os
import selectors
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import trio
from anyio.from_thread import BlockingPortalProvider

from .loop.ownership import start_owned

BURST: Final = 0.002
"""Seconds for which a busy loop may keep the other tasks of Trio waiting."""


class Engine(Protocol):
    """The loop as one user sees it. All users at a time share it; it ends with the last."""

    async def enter(self) -> None:
        """Have the loop run. Cancelled, it has not been entered."""

    async def leave(self) -> None:
        """Need it no more; the last one waits until it has ended."""

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
    loop.set_task_factory(start_owned)
    return loop


class Stepped:
    """A stock loop in a task of Trio: it runs while it has something to do, and then stops."""

    _of_this_run: Final = trio.lowlevel.RunVar["_Stepper | None"]("asyncio loop", None)

    def __init__(self) -> None:
        self._stepper: _Stepper

    async def enter(self) -> None:
        await trio.lowlevel.checkpoint()
        stepper = self._of_this_run.get()
        if stepper is None:
            stepper = _Stepper()
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
        self._stepper.loop.call_soon(fn)
        self._stepper.wake()

    def call_on_trio(self, fn: Callable[[], object]) -> None:
        self._stepper.posted.append(fn)


class _Stepper:
    """Runs a loop until nobody uses it any more."""

    def __init__(self) -> None:
        self.users = 0
        self.ended = trio.Event()
        self.posted: deque[Callable[[], object]] = deque()
        self._selector = _Selector()
        self.loop = asyncio.SelectorEventLoop(self._selector)
        self.loop.set_task_factory(start_owned)
        self._selector.stop = self.loop.stop
        self._end: asyncio.Task[None] | None = None
        self._woken = False
        self._parked: trio.lowlevel.Task | None = None
        self._due = math.inf
        self._watching: trio.CancelScope | None = None

    def wake(self) -> None:
        """There is something to do that is no event of a socket or a timer."""
        self._woken = True
        if self._parked is not None:
            task, self._parked = self._parked, None
            trio.lowlevel.reschedule(task)

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch)
                while True:
                    await self._run_until_idle()
                    if self._has_ended:
                        break
                    if not self._woken:
                        await self._park()
                nursery.cancel_scope.cancel()
        finally:
            self.loop.close()
            self.ended.set()

    @property
    def _has_ended(self) -> bool:
        return self._end is not None and self._end.done()

    async def _park(self) -> None:
        self._parked = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _watch(self) -> None:
        """Wait for sockets and timers.

        This stays registered with Trio while the other task runs the loop: what comes from Trio
        is no event here.
        """
        while True:
            with trio.CancelScope(deadline=self._due) as self._watching:
                await trio.lowlevel.wait_readable(self._selector.fileno())
            self._watching = None
            await self._run_until_idle()
            if self._has_ended:
                self.wake()

    async def _run_until_idle(self) -> None:
        while True:
            if not self.users and self._end is None:
                self._end = self.loop.create_task(_shut_down())
            self._woken = False
            self._selector.begin()
            self.loop.run_forever()
            while self.posted:
                self.posted.popleft()()
            if self._selector.is_idle:
                break
            await trio.lowlevel.cancel_shielded_checkpoint()
        timeout = self._selector.timeout
        self._due = math.inf if timeout is None else trio.current_time() + timeout
        # One that comes too early does no harm, and is cheaper than one that is set anew.
        if self._watching is not None and self._watching.deadline > self._due:
            self._watching.deadline = self._due


class _Selector(selectors.DefaultSelector):
    """It never waits: a loop that has to wait is stopped.

    Attributes:
        is_idle: whether it was stopped for that.
        timeout: for how many seconds it would have waited then; None: for ever.
    """

    stop: Callable[[], None]

    def begin(self) -> None:
        self.is_idle = False
        self.timeout: float | None = None
        self._until = time.monotonic() + BURST

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and (timeout is None or timeout > 0):
            self.is_idle = True
            self.timeout = timeout
            self.stop()
        elif time.monotonic() > self._until:
            self.stop()
        return events


async def _shut_down() -> None:
    """End what is left on a loop, as `asyncio.run` does."""
    loop = asyncio.get_running_loop()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


ENGINES: Final[dict[str, Callable[[], Engine]]] = {"stepped": Stepped, "portal": Portal}
