"""End of a transfer: whoever gives it up says so, and who hears nothing knows that too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

from ..errors import FileError, MessageTooLarge
from ..rtc import DataChannel
from ..tasks import last_words
from ..wire import files as wire

GRACE_SECONDS = 2.0
"""For the last word about a transfer that has failed."""


@asynccontextmanager
async def ending(channel: DataChannel) -> AsyncIterator[None]:
    """A block that speaks about files in this channel, and closes it, whatever happens."""
    try:
        yield
    except FileError as error:
        if error.code not in ("cancelled", "interrupted"):
            await _tell(channel, wire.FilesFailed(code=error.code, message=str(error)))
        raise
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise _interrupted() from error
    except MessageTooLarge as error:
        raise FileError(str(error), code="bad_message", fault="remote") from error
    except BaseException:
        await _tell(channel, wire.FilesFailed(code="cancelled"))
        raise
    finally:
        async with last_words(GRACE_SECONDS):
            with suppress(trio.BrokenResourceError):
                await channel.aclose()


async def hear(channel: DataChannel) -> str | bytes:
    """The next message.

    Raises:
        FileError: ``interrupted``: there is none.
    """
    try:
        return await channel.receive()
    except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError) as error:
        # Also if it is this side that has hung up meanwhile.
        raise _interrupted() from error


def _interrupted() -> FileError:
    return FileError(
        "it was interrupted before the end; what has arrived is kept for another time",
        code="interrupted",
        fault="network",
    )


async def _tell(channel: DataChannel, failed: wire.FilesFailed) -> None:
    async with last_words(GRACE_SECONDS):
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await channel.send(wire.encode(failed))
