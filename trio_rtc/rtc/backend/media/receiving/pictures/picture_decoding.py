"""Picture decoding: one after the other, in threads, given on in their order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import av
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import VIDEO_CLOCK_RATE, VIDEO_TIME_BASE
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av import VideoFrame

logger = logging.getLogger("trio_rtc.rtc")

BURST_SECONDS: Final = 0.2
"""How far behind the last picture that waits one is, to be left out of a burst that is late."""

THINNED_SECONDS: Final = 0.1
"""What lies between two pictures of such a burst at most."""


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture with its place on the timeline, in ticks."""

    codec: RTCRtpCodecParameters
    time: int
    data: bytes


class PictureDecoding:
    """The decoder of one track.

    Args:
        give: takes each frame.
        on_error: is called when a picture cannot be decoded.
    """

    def __init__(self, give: Callable[[VideoFrame], None], on_error: Callable[[], None]):
        self._give = give
        self._on_error = on_error
        self._waiting: deque[EncodedPicture] = deque()
        self._task: asyncio.Task[None] | None = None
        self._on_end: Callable[[], None] | None = None
        self._decoder: Any = None
        self._codec: str | None = None
        self._last: int | None = None

    @property
    def backlog(self) -> int:
        """How many pictures wait."""
        return len(self._waiting)

    def add(self, picture: EncodedPicture) -> None:
        """Decode a picture after those before it."""
        self._waiting.append(picture)
        self._start()

    def end(self, on_end: Callable[[], None]) -> None:
        """No more pictures come; be told when the last one is given."""
        self._on_end = on_end
        self._start()

    async def wait(self) -> None:
        """Wait until nothing is being decoded."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        # One task for what waits, and no task while nothing does.
        try:
            while self._waiting:
                await self._decode(self._waiting.popleft())
            if self._on_end is not None:
                if self._decoder is not None:
                    await self._decode(None)
                self._on_end()
        finally:
            self._task = None

    async def _decode(self, picture: EncodedPicture | None) -> None:
        if picture is not None and picture.codec.name != self._codec:
            self._decoder, self._codec = get_decoder(picture.codec), picture.codec.name
        loop = asyncio.get_running_loop()
        try:
            frames = await loop.run_in_executor(None, _decode, self._decoder, picture)
        except av.FFmpegError as error:
            logger.debug("a picture cannot be decoded: %s", error)
            if picture is not None:
                self._on_error()
            return
        for frame in frames:
            self._give_in_order(frame)

    def _give_in_order(self, frame: VideoFrame) -> None:
        # Those in decoding order come out of the decoder in theirs, but for the first ones.
        time = frame.pts or 0
        if self._last is not None:
            time = max(time, self._last + 1)
            if self._is_left_out(time, self._last):
                return
        self._last = time
        frame.pts, frame.time_base = time, VIDEO_TIME_BASE
        self._give(frame)

    def _is_left_out(self, time: int, last: int) -> bool:
        """Whether a burst that comes late is thinned by this one."""
        if not self._waiting:
            return False
        behind = self._waiting[-1].time - time
        next_one = self._waiting[0].time - last
        return (
            behind > BURST_SECONDS * VIDEO_CLOCK_RATE
            and next_one <= THINNED_SECONDS * VIDEO_CLOCK_RATE
        )


def _decode(decoder: Any, picture: EncodedPicture | None) -> list[VideoFrame]:
    """In a thread: the frames that come out with a picture, or at the end."""
    if picture is None:
        flushed: list[VideoFrame] = decoder.codec.decode(None)
        return flushed
    frames: list[VideoFrame] = decoder.decode(
        JitterFrame(data=picture.data, timestamp=picture.time)
    )
    return frames
