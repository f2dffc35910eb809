"""`open_track`: frames that a program makes, as a track."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from fractions import Fraction

from av import AudioFrame, VideoFrame

from ...errors import MediaError
from ...tasks import open_background_nursery
from ..backend.media.generated_track import Generated
from ..backend.media.tracks import Source
from ..bridge.bridge import Bridge, open_bridge
from .track import Frame, Kind, MediaTrack, track_of

CLASSES: dict[Kind, type[Frame]] = {"video": VideoFrame, "audio": AudioFrame}

LARGEST = 16383
"""Pixels that VP8 has in one direction (RFC 6386, section 9.1)."""

RATES = range(1000, 768_001)
"""Samples per second that FFmpeg converts."""

LATEST = 2**40
"""Seconds: no clock of an encoder goes further in 64 bits."""


@asynccontextmanager
async def open_track(kind: Kind, frames: AsyncIterable[Frame]) -> AsyncIterator[MediaTrack]:
    """A track of frames from an async iterable, such as an async generator, during the block.

    The next frame is asked for when the last one has been taken, which is when it is due by its
    ``pts``: ``frames`` need not wait, and may. They may be in any format, size or rate
    that FFmpeg can convert, also if these change; pictures of odd sizes are sent a line or a
    column smaller. A picture without a ``pts`` is of the time when it comes; sound without one
    goes on where the last frame ended, or after a pause is of the time when it comes.

    When ``frames`` ends, so does the track. When it raises, the track ends with that as a
    `MediaError` for those who read it, and this is raised here at the end of the block: a call
    goes on.

    Args:
        kind: ``"audio"`` or ``"video"``.
        frames: closed at the end of the block, if it is an async generator.

    Raises:
        MediaError: ``source_failed``: ``frames`` raised; ``bad_frame``: it gave something else
            than a frame of this kind, or one without content, or of a time or rate out of reach.
    """
    if kind not in CLASSES:
        raise MediaError(f"a track is of audio or video, not of {kind!r}", code="wrong_kind")
    async with open_bridge() as bridge:
        generated = Generated(kind)
        source = Source(generated)
        feed = _Feed(bridge, generated, frames)
        try:
            async with open_background_nursery() as nursery:
                nursery.start_soon(feed.run)
                yield track_of(bridge, source)
        finally:
            await bridge.run_to_the_end(source.stop)
    if feed.error is not None:
        raise feed.error


def _check(frame: Frame, wanted: type[Frame]) -> None:
    if not isinstance(frame, wanted):
        what = f"not {type(frame).__name__}"
    elif isinstance(frame, VideoFrame) and not (
        1 <= frame.width <= LARGEST and 1 <= frame.height <= LARGEST
    ):
        what = f"not one of {frame.width}x{frame.height} pixels"
    elif isinstance(frame, AudioFrame) and not (frame.samples and frame.sample_rate in RATES):
        what = f"not one of {frame.samples} samples at {frame.sample_rate} Hz"
    elif frame.pts is not None and abs(frame.pts * Fraction(frame.time_base or 0)) > LATEST:
        what = f"not one of the time {frame.pts} * {frame.time_base} s"
    else:
        return
    raise MediaError(f"the track takes a {wanted.__name__}, {what}", code="bad_frame")


class _Feed:
    """The task that takes frames from a program and gives them to the loop."""

    def __init__(self, bridge: Bridge, generated: Generated, frames: AsyncIterable[Frame]):
        self._bridge = bridge
        self._generated = generated
        self._frames = frames
        self.error: MediaError | None = None

    async def run(self) -> None:
        if isinstance(self._frames, AsyncGenerator):
            async with aclosing(self._frames):
                await self._run(self._frames)
        else:
            await self._run(self._frames)

    async def _run(self, frames: AsyncIterable[Frame]) -> None:
        wanted = CLASSES["video" if self._generated.kind == "video" else "audio"]
        try:
            async for frame in frames:
                _check(frame, wanted)
                if not await self._bridge.run(self._generated.put, frame):
                    break
        except MediaError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001  # Raised at the end of the block.
            self.error = MediaError(
                f"the frames of a track failed: {error!r}", code="source_failed"
            )
            self.error.__cause__ = error
        await self._bridge.run(self._generated.end, self.error)
