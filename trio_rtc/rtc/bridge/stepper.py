"""An asyncio loop in tasks of Trio: it runs while it has something to do, and then stops."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

import trio

from ...world import world
from .loop_setup import set_up
from .simulated_loop import SimulatedLoop
from .stepped_loop import Selector, SteppedLoop


class Stepper:
    """Runs a loop until nobody uses it any more.

    A KeyboardInterrupt in the middle of that would leave the loop in pieces, and Trio with them: it
    waits for a task of the program. Of the tasks here Trio protects only the first by itself.
    """

    def __init__(self) -> None:
        self.users = 0
        self.ended = trio.Event()
        self.posted: deque[Callable[[], object]] = deque()
        self._selector = Selector(self.posted)
        network = world().network
        self.loop = (
            SteppedLoop(self._selector)
            if network is None
            else SimulatedLoop(self._selector, network, self.call)
        )
        set_up(self.loop)
        self._selector.stop, self._selector.clock = self.loop.stop, self.loop.time
        self._end: asyncio.Task[None] | None = None
        self._is_running = False
        self._woken = False
        self._parked: trio.lowlevel.Task | None = None
        self._due = math.inf
        self._timer: trio.CancelScope | None = None

    def wake(self) -> None:
        """There is something to do that is no event of a socket or a timer."""
        self._woken = True
        if self._parked is not None:
            task, self._parked = self._parked, None
            trio.lowlevel.reschedule(task)

    @trio.lowlevel.enable_ki_protection
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
        """Wait for `wake`, or for the next timer of the loop."""
        with trio.CancelScope(deadline=self._due) as self._timer:
            self._parked = trio.lowlevel.current_task()

            def abort(_: object) -> trio.lowlevel.Abort:
                # A timer is nothing exceptional, and an exception takes longer than all the rest.
                self.wake()
                return trio.lowlevel.Abort.FAILED

            await trio.lowlevel.wait_task_rescheduled(abort)
        self._timer = None
        await trio.lowlevel.checkpoint_if_cancelled()

    @trio.lowlevel.enable_ki_protection
    async def _watch(self) -> None:
        """Wait for sockets.

        This stays registered with Trio while the other task runs the loop: what comes from Trio
        is no event here.
        """
        while not self._has_ended:
            await trio.lowlevel.wait_readable(self._selector.fileno())
            await self._run_until_idle()
        self.wake()

    @trio.lowlevel.enable_ki_protection
    def call(self, fn: Callable[[], object]) -> None:
        """Call it on the loop at once, and run that as far as it goes: it saves a turn of Trio.

        What leaves the loop nothing to do, such as to send a message, needs no turn of it either.
        """
        if self._is_running:
            self.loop.call_soon(fn)
            self._woken = True
            return
        self.loop.has_work = False
        self._is_running = True
        try:
            self.loop.call_directly(fn)
        finally:
            self._is_running = False
        if self.loop.has_work:
            if self._step():
                self._watch_timers()
            else:
                self.wake()
        if self.posted:
            self.wake()

    def _step(self) -> bool:
        """Run the loop for a while; tell whether it has nothing more to do."""
        self._is_running = True
        try:
            self._selector.begin()
            self.loop.run_forever()
        finally:
            self._is_running = False
        return self._selector.is_idle

    async def _run_until_idle(self) -> None:
        while True:
            if not self.users and self._end is None:
                self._end = self.loop.create_task(_shut_down())
            self._woken = False
            is_idle = self._step()
            self._is_running = True
            try:
                while self.posted:
                    self.posted.popleft()()
            finally:
                self._is_running = False
            if is_idle and not self._woken:
                break
            await trio.lowlevel.cancel_shielded_checkpoint()
        self._watch_timers()

    def _watch_timers(self) -> None:
        timeout = self._selector.timeout
        self._due = math.inf if timeout is None else trio.current_time() + timeout
        # One that comes too early does no harm, and is cheaper than one that is set anew.
        if self._timer is not None and self._timer.deadline > self._due:
            self._timer.deadline = self._due


async def _shut_down() -> None:
    """End what is left on a loop, as `asyncio.run` does."""
    loop = asyncio.get_running_loop()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
