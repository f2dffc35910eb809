"""`serve_channels`: a handler for each data channel that the other side of a call opens."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

import trio

from ..faults import FaultLog, caught, comes_of_an_end
from ..rtc import DataChannel
from .call import Call

logger = logging.getLogger("trio_rtc.call")


async def serve_channels(
    handler: Callable[[DataChannel], Awaitable[object]],
    call: Call,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Take every data channel, and run ``handler(channel)`` in a task of its own for each.

    The channel is closed when its handler returns. An exception of a handler is logged and ends
    its channel only. Channels that others take, as `receive_files` and `serve_forward` do, are
    left to them.

    Args:
        handler: called with each channel that comes out of ``call.channels``.
        call: whose channels they are.
        task_status: told at once.

    Raises:
        CallError: ``call_ended``: the call is over, and the last handler has returned.
    """
    faults = FaultLog(logger)
    task_status.started()
    async with trio.open_nursery() as nursery:
        async for channel in call.channels:
            nursery.start_soon(_serve, handler, channel, call, faults)
    await call._raise_when_over()


async def _serve(
    handler: Callable[[DataChannel], Awaitable[object]],
    channel: DataChannel,
    call: Call,
    faults: FaultLog,
) -> None:
    what = f"the channel {channel.label!r} of {call.peer}"

    def report(error: Exception) -> None:
        if channel.closed and comes_of_an_end(error):
            logger.info("%s ended under its handler: %s", what, error)
        else:
            faults.report(f"the handler of {what}", error)

    # Closing may be the first to know of a loss.
    with caught(report):
        async with channel:
            with caught(report):
                await handler(channel)
