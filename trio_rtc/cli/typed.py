"""Standard input by lines, without a thread that waits for them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import trio


async def typed_lines(fd: int = 0) -> AsyncGenerator[str]:
    """Each line as it is typed or piped in, up to the end of input.

    The descriptor is left in blocking mode, which it shares with other processes: it is only
    read when there is something to read. A thread that reads could not be cancelled.
    """
    pending = b""
    while True:
        try:
            await trio.lowlevel.wait_readable(fd)
        except PermissionError:
            # Files and /dev/null cannot be polled, and never block.
            await trio.lowlevel.checkpoint()
        except OSError:
            # There is no standard input at all.
            return
        data = os.read(fd, 65536)
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
        if not data:
            if pending:
                yield pending.decode(errors="replace")
            return
