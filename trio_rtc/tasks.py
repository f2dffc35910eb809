"""Shapes of structured concurrency that every floor of this package needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVarTuple

import trio

from .errors import TrioRTCError

Ts = TypeVarTuple("Ts")

#: Seconds for a last message to another party when we are being cancelled. Two of them, a
#: hang-up and a sign-out, have to fit into the patience of somebody who pressed Ctrl-C.
CANCELLED_GRACE = 0.6


def require_trio() -> None:
    """See whether this is called from a task of Trio, as all of this package has to be.

    Raises:
        RuntimeError: it is not.
    """
    if not trio.lowlevel.in_trio_task():
        raise RuntimeError(
            "trio_rtc works in a task of Trio only: under trio.run, or anyio.run with "
            "backend='trio', and not under asyncio"
        )


@asynccontextmanager
async def open_background_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery whose tasks serve a block and end with it.

    They are cancelled when the block is left. A single exception, of the block or of a task,
    comes out as itself and not in a group, so that callers can catch it by its type. Several
    of this package's errors come out as the first, with the others as notes: one fault is
    often seen by several tasks at once.
    """
    require_trio()
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = _one_of(group)
        if error is None:
            raise
        cause, context = error.__cause__, error.__context__
        try:
            raise error
        finally:
            error.__cause__, error.__context__ = cause, context
            del error, cause, context


def _one_of(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    errors = [leaf for leaf in leaves(group) if not isinstance(leaf, trio.Cancelled)]
    if not errors:
        return None
    if len(errors) > 1:
        if not all(isinstance(error, TrioRTCError) for error in errors):
            return None
        for other in errors[1:]:
            errors[0].add_note(f"and: {other}")
    return errors[0]


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group, and of those in it; an error that is none is its own."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error


@asynccontextmanager
async def last_words(seconds: float) -> AsyncIterator[None]:
    """A shielded block in which to say goodbye: ``seconds`` long, and shorter once cancelled."""
    shield = trio.CancelScope(shield=True, deadline=trio.current_time() + seconds)

    async def hurry_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            shield.deadline = min(shield.deadline, trio.current_time() + CANCELLED_GRACE)

    async with open_background_nursery() as nursery:
        nursery.start_soon(hurry_when_cancelled)
        with shield:
            yield


async def to_the_end(async_fn: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
    """Run what cleans up, which neither cancelling nor Ctrl-C ends.

    No shield keeps off a KeyboardInterrupt, which comes to the main task wherever that may be
    cancelled: this runs in another one.
    """
    async with open_background_nursery() as nursery:
        nursery.start_soon(_shield, async_fn, *args)


@trio.lowlevel.enable_ki_protection
async def _shield(async_fn: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
    with trio.CancelScope(shield=True):
        await async_fn(*args)


class Changes:
    """A condition variable without a lock: tasks wait until what they share is as they want it."""

    def __init__(self) -> None:
        self._changed = trio.Event()

    def notify(self) -> None:
        """Something has changed: whoever waits looks again."""
        self._changed.set()
        self._changed = trio.Event()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until this holds; not at all if it does."""
        while not condition():
            await self._changed.wait()
