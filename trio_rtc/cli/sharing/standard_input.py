"""Standard input as a stream of Trio, without a thread that waits for it."""

from __future__ import annotations

import os

import trio

BLOCK = 65536


class StandardInput(trio.abc.ReceiveStream):
    """What is typed or piped in. The descriptor stays as it is: other processes have it, too."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next bytes; none at the end."""
        try:
            await trio.lowlevel.wait_readable(0)
        except PermissionError:
            # Files cannot be polled, and never block.
            await trio.lowlevel.checkpoint()
        return os.read(0, max_bytes or BLOCK)

    async def aclose(self) -> None:
        """It is not ours to close."""
        await trio.lowlevel.checkpoint()
