"""Running a command on Trio: signals become cancellation, errors become a line and a status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable

import trio

from ..errors import TrioRTCError
from ..tasks import open_background_nursery

ErrorReport = Callable[[str, str], None]


def run(
    command: Callable[[], Awaitable[None]],
    report_error: ErrorReport,
    *,
    interrupted: Callable[[int], int],
) -> int:
    """Run ``command`` and return the exit status of the process.

    Args:
        command: what to run; cancelled at the first SIGINT or SIGTERM.
        report_error: is told the code and the message of an error that ends the command.
        interrupted: the exit status after a signal of this number.
    """
    try:
        signal_number = trio.run(_until_signalled, command)
    except BrokenPipeError:
        # Nobody reads what we print: nothing can be said any more, at interpreter exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except TrioRTCError as error:
        report_error(error.code, str(error))
        return 1
    except OSError as error:
        report_error("os_error", str(error))
        return 1
    return 0 if signal_number is None else interrupted(signal_number)


async def _until_signalled(command: Callable[[], Awaitable[None]]) -> int | None:
    received: list[int] = []
    scope = trio.CancelScope()

    async def watch(task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                received.append(number)
                scope.cancel()

    # The watch outlives the command: a second Ctrl-C finds it still saying goodbye.
    async with open_background_nursery() as nursery:
        await nursery.start(watch)
        with scope:
            await command()
    return received[0] if received else None
