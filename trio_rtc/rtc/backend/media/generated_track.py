"""A track whose frames a program makes, on the loop's side."""

from __future__ import annotations

import asyncio
from fractions import Fraction

from aiortc import MediaStreamError, MediaStreamTrack
from av import AudioFrame, VideoFrame

from .pace import FramePacer
from .tracks import copy_of

TIME_BASE = Fraction(1, 90000)

PAUSE = 0.2
"""Seconds without sound, after which it has paused: a program that sleeps does so for too long."""

BEAT = 0.05
"""How often it is looked whether this process runs at all, while sound is waited for."""


class Generated(MediaStreamTrack):
    """Takes one frame after the other, and no next one before the last was due, and read."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        self._frame: VideoFrame | AudioFrame | None = None
        self._error: Exception | None = None
        self._over = False
        self._changed = asyncio.Event()
        self._given = 0.0
        self._pace = FramePacer()
        self._sound_ends = Fraction(0)

    async def put(self, frame: VideoFrame | AudioFrame) -> bool:
        """Hand a frame over; tell whether there is any use in another one."""
        while self._frame is not None and not self._over:
            await self._wait()
        # The program may go on with its own, or give the same one again.
        self._frame = copy_of(frame)
        self._given = asyncio.get_running_loop().time()
        self._notify()
        return not self._over

    async def recv(self) -> VideoFrame | AudioFrame:
        has_waited = self._frame is not None
        loop = asyncio.get_running_loop()
        asked, stood_still = loop.time(), 0.0
        while self._frame is None:
            if self._error is not None:
                raise self._error
            if self._over:
                raise MediaStreamError
            stood_still += await self._wait_a_beat()
        frame, self._frame = self._frame, None
        # Not when it is taken, which may be long after that: nobody may read the track as yet.
        given = self._given
        self._notify()
        if frame.pts is None:
            self._stamp(frame, given, waited=given - asked - stood_still)
        # Without a unit it may be of any time.
        if (
            frame.time_base
            and frame.time is not None
            and (wait := self._pace.wait(frame.time, given, was_awaited=not has_waited))
        ):
            await asyncio.sleep(wait - (loop.time() - given))
        return frame

    async def end(self, error: Exception | None) -> None:
        """There are no more frames, because of this error if there is one."""
        self._error, self._over = error, True
        self._notify()

    def stop(self) -> None:
        super().stop()
        self._over = True
        self._notify()

    def _stamp(self, frame: VideoFrame | AudioFrame, given: float, *, waited: float) -> None:
        """A picture is of now, and so is sound that has paused; other sound goes on."""
        time = Fraction(self._pace.time(given))
        if isinstance(frame, AudioFrame):
            # The time in which nobody could have made any is no pause of the program.
            if time - self._sound_ends < PAUSE or waited < PAUSE:
                time = self._sound_ends
            frame.time_base = Fraction(1, frame.sample_rate)
            frame.pts = round(time / frame.time_base)
            self._sound_ends = time + Fraction(frame.samples, frame.sample_rate)
        else:
            frame.pts, frame.time_base = round(time / TIME_BASE), TIME_BASE

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _wait_a_beat(self) -> float:
        """Wait for a change, or for a beat; seconds for which the loop stood still meanwhile."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(BEAT):
                await self._wait()
        except TimeoutError:
            pass
        return max(loop.time() - began - BEAT, 0.0)

    def _notify(self) -> None:
        self._changed.set()
