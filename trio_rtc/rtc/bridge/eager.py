"""Eager tasks, as Python 3.12 has them: what does not wait needs no task at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any


def start_eagerly(work: Coroutine[Any, Any, None]) -> asyncio.Future[None] | None:
    """Run it up to its first wait, and the rest in a task.

    Until then `asyncio.current_task` is that of the caller, if there is one.

    Returns:
        that task; None if there is no rest.
    """
    try:
        awaited = work.send(None)
    except StopIteration:
        return None
    except Exception as error:  # noqa: BLE001  # Raised in a task, whose owner hears of it.
        return asyncio.get_running_loop().create_task(_fail(error))
    return asyncio.get_running_loop().create_task(_rest(work, awaited))


async def _fail(error: Exception) -> None:
    raise error


async def _rest(work: Coroutine[Any, Any, None], awaited: object) -> None:
    await _go_on(work, awaited)


@coroutine
def _go_on(work: Coroutine[Any, Any, None], awaited: object) -> Generator[Any, Any, None]:
    # What a future has yielded once can be yielded to a task again.
    while True:
        step: Callable[..., Any] = work.send
        try:
            argument = yield awaited
        except BaseException as error:  # noqa: BLE001  # It is for the work, as a cancellation is.
            step, argument = work.throw, error
        try:
            awaited = step(argument)
        except StopIteration:
            return
