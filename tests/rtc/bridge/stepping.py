"""Cancel a piece of work at each of its steps in turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio


class _CancelAfter(trio.abc.Instrument):
    """Cancels a scope when the tasks within have been run ``steps`` times."""

    def __init__(self, scope: trio.CancelScope, root: trio.lowlevel.Task, steps: int) -> None:
        self._scope = scope
        self._root = root
        self._steps = steps
        self.over = False

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if not self._is_within(task):
            return
        self._steps -= 1
        if self._steps == 0 and not self.over:
            self._scope.cancel()

    def _is_within(self, task: trio.lowlevel.Task) -> bool:
        nursery = task.parent_nursery
        while task is not self._root:
            if nursery is None:
                return False
            task = nursery.parent_task
            nursery = task.parent_nursery
        return True


async def cancelled_after_each_step(
    work: Callable[[], Awaitable[object]],
    after: Callable[[], Awaitable[object]] | None = None,
    *,
    stride: int = 1,
    limit: int = 1000,
) -> int:
    """Run ``work`` again and again, cancelled one step later each time, until it completes.

    Returns how often it was cancelled. ``after`` runs after each time.
    """
    for time in range(limit):
        with trio.fail_after(30), trio.CancelScope() as scope:
            instrument = _CancelAfter(scope, trio.lowlevel.current_task(), 1 + time * stride)
            trio.lowlevel.add_instrument(instrument)
            try:
                await work()
                instrument.over = True
            finally:
                trio.lowlevel.remove_instrument(instrument)
        if after is not None:
            await after()
        if not scope.cancel_called:
            return time
    raise AssertionError(f"it did not complete within {limit} steps")
