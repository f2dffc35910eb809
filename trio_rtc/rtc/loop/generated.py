"""A track whose frames a program makes, on the loop's side."""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction

from aiortc import MediaStreamError, MediaStreamTrack
from av import AudioFrame, VideoFrame

from .media import copy_of

TIME_BASE = Fraction(1, 90000)


class Generated(MediaStreamTrack):
    """Takes one frame after the other, and no next one before somebody has read the last."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        self._frame: VideoFrame | AudioFrame | None = None
        self._error: Exception | None = None
        self._over = False
        self._changed = asyncio.Event()
        self._began: float | None = None
        self._sound_ends = Fraction(0)

    async def put(self, frame: VideoFrame | AudioFrame) -> bool:
        """Hand a frame over; tell whether there is any use in another one."""
        while self._frame is not None and not self._over:
            await self._wait()
        # The program may go on with its own, or give the same one again.
        self._frame = copy_of(frame)
        self._tell()
        return not self._over

    async def recv(self) -> VideoFrame | AudioFrame:
        while self._frame is None:
            if self._error is not None:
                raise self._error
            if self._over:
                raise MediaStreamError
            await self._wait()
        frame, self._frame = self._frame, None
        self._tell()
        if frame.pts is None:
            self._stamp(frame)
        return frame

    async def end(self, error: Exception | None) -> None:
        """There are no more frames, because of this error if there is one."""
        self._error, self._over = error, True
        self._tell()

    def stop(self) -> None:
        super().stop()
        self._over = True
        self._tell()

    def _stamp(self, frame: VideoFrame | AudioFrame) -> None:
        """Sound goes on where it ended; a picture is of now."""
        if isinstance(frame, AudioFrame):
            frame.pts = round(self._sound_ends * frame.sample_rate)
            frame.time_base = Fraction(1, frame.sample_rate)
            self._sound_ends += Fraction(frame.samples, frame.sample_rate)
            return
        now = time.monotonic()
        if self._began is None:
            self._began = now
        frame.pts, frame.time_base = round((now - self._began) / TIME_BASE), TIME_BASE

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
