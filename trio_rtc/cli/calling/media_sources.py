"""What a command sends: the pictures and the sound of a file, a device, or the test signals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from ...calls.call import Call
from ...calls.hang_up import FAREWELL_SECONDS
from ...errors import MediaError
from ...rtc import MediaTrack, open_media

LOOK_SECONDS = 0.2
"""Until it is looked again whether a file has been sent."""

CLOSING_SECONDS = FAREWELL_SECONDS + 5
"""Until a call is over whose connection is: as long as a hang-up may be under way, and more."""


@asynccontextmanager
async def open_source(source: str, *, loop: bool = False) -> AsyncIterator[list[MediaTrack]]:
    """What there is of pictures and sound in it, for the length of the block.

    Raises:
        MediaError: as `open_media` does.
    """
    if source == "pattern":
        async with open_media(video="pattern", audio="tone") as tracks:
            yield tracks
        return
    async with AsyncExitStack() as stack:
        opened: list[MediaTrack] = []
        for video, audio in ((source, source), (source, None), (None, source)):
            try:
                opened = await stack.enter_async_context(
                    open_media(video=video, audio=audio, loop=loop)
                )
                break
            except MediaError as error:
                if error.code != "media_no_stream" or video is None:
                    raise
        yield opened


async def until_sent(call: Call, tracks: Iterable[MediaTrack]) -> bool:
    """Wait until all tracks that a call sends have ended, or it has; whether all was sent."""
    # A track that has ended is no sender's any more, of which nobody tells.
    while call.senders and call.end is None:  # noqa: ASYNC110
        await trio.sleep(LOOK_SECONDS)
    if all(track.ended for track in tracks):
        return call.end is None
    # A connection that the other side closes takes them along before the call is over.
    with trio.move_on_after(CLOSING_SECONDS):
        await call.wait_ended()
    return False
