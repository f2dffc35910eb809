"""Task ownership: every asyncio task that aiortc starts has an owner, who ends it.

aiortc starts tasks and forgets them: one that waits when its connection is closed waits for ever,
and what one raises is told to nobody. A context variable, which tasks inherit from where they are
started, tells whose they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from contextvars import Context, ContextVar, copy_context
from typing import Any, cast

_owner: ContextVar[Owner | None] = ContextVar("owner", default=None)


class Owner:
    """The tasks that are started for one connection.

    Args:
        on_error: is told what a task has raised.
    """

    def __init__(self, on_error: Callable[[BaseException], None]):
        self._on_error = on_error
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def owning(self) -> AbstractContextManager[None]:
        """Own the tasks that are started in this block, and those that these start."""
        return _Owning(self)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in a task of its own."""
        with self.owning():
            # The set of tasks keeps it.
            asyncio.ensure_future(work)  # noqa: RUF006

    def _add(self, task: asyncio.Task[Any]) -> None:
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)

    async def cancel_tasks(self) -> None:
        """Cancel what is left, and wait for its end."""
        own = asyncio.current_task()
        while left := [task for task in self._tasks if task is not own]:
            for task in left:
                task.cancel()
            await asyncio.wait(left)


class _Owning:
    """A class, for each message that is sent is in such a block: a generator takes longer."""

    __slots__ = ("_owner", "_token")

    def __init__(self, owner: Owner):
        self._owner = owner

    def __enter__(self) -> None:
        self._token = _owner.set(self._owner)

    def __exit__(self, *_: object) -> None:
        _owner.reset(self._token)


def unowned() -> Context:
    """A context for what no connection owns, as several use it."""
    context = copy_context()
    context.run(_owner.set, None)
    return context


def start_owned(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    **options: Any,
) -> asyncio.Future[Any]:
    """A task factory (`asyncio.loop.set_task_factory`) that knows of owners."""
    task = asyncio.Task(cast("Coroutine[Any, Any, Any]", coro), loop=loop, **options)
    context: Context | None = options.get("context")
    owner = _owner.get() if context is None else context.get(_owner)
    if owner is not None:
        owner._add(task)
    return task
