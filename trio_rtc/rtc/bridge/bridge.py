"""Bridge: the one crossing between Trio and asyncio, on which aiortc runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, NoReturn, TypeVar, TypeVarTuple

import outcome
import trio

from ...tasks import open_background_nursery, require_trio, to_the_end
from .engines import Engine, choose_engine
from .pauses import Pauses

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


# A KeyboardInterrupt comes where Trio may cancel, and nowhere else: in between it would leave the
# two sides with different ideas of what is under way.


@asynccontextmanager
@trio.lowlevel.enable_ki_protection
async def open_bridge() -> AsyncIterator[Bridge]:
    """A bridge to the asyncio loop of this process, for the length of a block.

    An exception of a function that was handed over with `Bridge.post` or `Bridge.call_soon`
    has nobody waiting for it: it cancels the block and is raised from it.
    """
    require_trio()
    engine = choose_engine()
    await engine.enter()
    pauses = Pauses.enter()
    try:
        async with open_background_nursery() as nursery:
            bridge = Bridge(engine, nursery, pauses)
            try:
                yield bridge
            finally:
                await to_the_end(bridge._close)
    finally:
        pauses.leave()
        await to_the_end(engine.leave)


class Bridge:
    """What `open_bridge` gives.

    Crossings are batched: each direction has a queue, and a burst costs one wake-up of the
    other side.

    Attributes:
        pauses: of the program, for what is to cross together.
    """

    def __init__(self, engine: Engine, nursery: trio.Nursery, pauses: Pauses) -> None:
        self.pauses = pauses
        self._engine = engine
        self._nursery = nursery
        self._to_loop: deque[Callable[[], object]] = deque()
        self._to_trio: deque[Callable[[], object]] = deque()
        self._loop_woken = False
        self._trio_woken = False
        self._closed = False
        self._calls: dict[_LoopCall[Any], None] = {}
        self._idle = trio.Event()

    @trio.lowlevel.enable_ki_protection
    async def run(self, async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Run ``async_fn(*args)`` as an asyncio task and return what it returns.

        Cancelling cancels the asyncio task and waits for its end. If it returns a value all
        the same, so does this; if it raises, so does this.

        Raises:
            trio.ClosedResourceError: the bridge is closed, or was closed meanwhile.
            RuntimeError: something other than this call has cancelled the asyncio task.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self._run(True, async_fn, *args)

    @trio.lowlevel.enable_ki_protection
    async def run_to_the_end(self, async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """As `run`, for what cleans up: nothing cancels it.

        A shield does not keep off a KeyboardInterrupt, which comes to the main task wherever that
        may be cancelled. Here it waits until this is done.
        """
        return await self._run(False, async_fn, *args)

    async def _run(
        self, is_cancellable: bool, async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts
    ) -> T:
        if self._closed:
            raise trio.ClosedResourceError("the bridge to asyncio is closed")
        # What was handed over before comes before this.
        self.pauses.end()
        call = _LoopCall(self, trio.lowlevel.current_task(), async_fn, args, is_cancellable)
        self._calls[call] = None
        self._send(call.start)
        result: outcome.Outcome[T] = await trio.lowlevel.wait_task_rescheduled(call.abort)
        if isinstance(result, outcome.Error) and isinstance(result.error, asyncio.CancelledError):
            if call.raise_cancel is not None:
                call.raise_cancel()
            if self._closed:
                raise trio.ClosedResourceError("the bridge to asyncio was closed meanwhile")
            raise RuntimeError("the asyncio task was cancelled from elsewhere") from result.error
        return result.unwrap()

    @trio.lowlevel.enable_ki_protection
    def call_soon(self, fn: Callable[[*Ts], object], *args: *Ts) -> None:
        """From Trio's thread: call ``fn(*args)`` on the loop, in order with `run`.

        Dropped once the bridge is closed.
        """
        if not self._closed:
            self._send(lambda: self._guard(self._fail_from_loop, fn, *args))

    def post(self, fn: Callable[[*Ts], object], *args: *Ts) -> None:
        """From the loop's thread: call ``fn(*args)`` in Trio's thread, in the order of posting.

        What a task of `run` has posted is called before its `run` returns. Dropped once the
        bridge is closed or the Trio run is over.
        """
        if not self._closed:
            self._deliver(lambda: None if self._closed else self._guard(self._fail, fn, *args))

    def _guard(
        self, fail: Callable[[BaseException], object], fn: Callable[[*Ts], object], *args: *Ts
    ) -> None:
        try:
            fn(*args)
        except BaseException as error:  # noqa: BLE001  # It is raised where it was handed over.
            fail(error)

    # In Trio's thread.

    def _send(self, fn: Callable[[], object]) -> None:
        self._to_loop.append(fn)
        if not self._loop_woken:
            self._loop_woken = True
            self._engine.call_on_loop(self._drain_to_loop)

    def _drain_to_trio(self) -> None:
        # First the flag: what is queued from here on wakes us again.
        self._trio_woken = False
        while self._to_trio:
            self._to_trio.popleft()()

    def _fail(self, error: BaseException) -> None:
        if not self._closed:
            self._nursery.start_soon(_raise, error, name="error of a function posted to Trio")

    async def _close(self) -> None:
        self.pauses.end()
        self._closed = True
        for call in self._calls:
            self._send(call.cancel)
        if self._calls:
            await self._idle.wait()

    def _ended(self, call: _LoopCall[Any]) -> None:
        del self._calls[call]
        if self._closed and not self._calls:
            self._idle.set()

    # In the loop's thread.

    def _drain_to_loop(self) -> None:
        self._loop_woken = False
        while self._to_loop:
            self._to_loop.popleft()()

    def _deliver(self, fn: Callable[[], object]) -> None:
        self._to_trio.append(fn)
        if not self._trio_woken:
            self._trio_woken = True
            self._engine.call_on_trio(self._drain_to_trio)

    def _fail_from_loop(self, error: BaseException) -> None:
        self.post(self._fail, error)


async def _raise(error: BaseException) -> NoReturn:
    raise error


class _LoopCall(Generic[T]):
    """One `Bridge.run`: a Trio task that waits for an asyncio task."""

    def __init__(
        self,
        bridge: Bridge,
        waiter: trio.lowlevel.Task,
        async_fn: Callable[..., Awaitable[T]],
        args: tuple[object, ...],
        is_cancellable: bool,
    ) -> None:
        self._bridge = bridge
        self._waiter = waiter
        self._async_fn = async_fn
        self._args = args
        self._is_cancellable = is_cancellable
        self._task: asyncio.Task[outcome.Outcome[T]]
        self.raise_cancel: Callable[[], NoReturn] | None = None

    def abort(self, raise_cancel: Callable[[], NoReturn]) -> trio.lowlevel.Abort:
        if self._is_cancellable:
            self.raise_cancel = raise_cancel
            self._bridge._send(self.cancel)
        return trio.lowlevel.Abort.FAILED

    def start(self) -> None:
        # Nothing escapes from acapture: a KeyboardInterrupt that left the asyncio task would
        # end the loop for everyone.
        self._task = asyncio.create_task(outcome.acapture(self._async_fn, *self._args))
        self._task.add_done_callback(self._done)

    def cancel(self) -> None:
        self._task.cancel()

    def _done(self, task: asyncio.Task[outcome.Outcome[T]]) -> None:
        # A task that is cancelled before its first step never gets as far as acapture.
        result = outcome.Error(asyncio.CancelledError()) if task.cancelled() else task.result()
        self._bridge._deliver(lambda: self._resume(result))

    def _resume(self, result: outcome.Outcome[T]) -> None:
        self._bridge._ended(self)
        trio.lowlevel.reschedule(self._waiter, outcome.Value(result))
