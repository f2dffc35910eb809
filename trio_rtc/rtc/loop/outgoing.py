"""What a connection sends of a track, or of one track after the other, as aiortc reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction

from aiortc import MediaStreamError, MediaStreamTrack
from av import AudioFrame, VideoFrame

from .media import Data, Reader, Source, copy_of

SEND_FRAMES = 30
"""Frames kept for an encoder that lags."""

SWITCH_SECONDS = Fraction(1, 30)
"""From the last frame of one track to the first of the next."""


class Outgoing(MediaStreamTrack):
    """A track whose source can be another one while aiortc reads it.

    Args:
        source: what is sent; it is not read before `begin`.

    Attributes:
        on_end: called when the source has ended, or `end` was called.
    """

    def __init__(self, source: Source):
        super().__init__()
        self.kind = source.kind
        self._id = source.id
        self.on_end: Callable[[], None] = _nothing
        self._source: Source | None = source
        self._reader: Reader | None = None
        self._begun = False
        self._changed = asyncio.Event()
        self._over = False
        self._last: Fraction | None = None
        self._shift: Fraction | None = Fraction(0)

    def begin(self) -> None:
        """Keep frames from now on."""
        self._begun = True
        if self._source is not None:
            self._reader = self._source.subscribe(SEND_FRAMES)

    async def replace(self, source: Source | None) -> None:
        """Send another source from now on, or nothing."""
        old, self._source, self._reader = self._reader, source, None
        self._shift = None
        if self._begun:
            self.begin()
        self._changed.set()
        if old is not None:
            old.stop()

    async def end(self) -> None:
        """Send nothing any more; whoever receives it is told."""
        self._finish()

    def stop(self) -> None:
        """Called by aiortc when it reads it no more."""
        super().stop()
        self._finish()

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self._changed.set()
            if self._reader is not None:
                self._reader.stop()
            self.on_end()

    async def recv(self) -> Data:
        while not self._over:
            reader = self._reader
            if reader is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                data = await reader.recv()
            except MediaStreamError:
                if reader is self._reader:
                    self._finish()
                continue
            if reader is self._reader:
                return self._in_time(data)
        raise MediaStreamError

    def _in_time(self, data: Data) -> Data:
        """The frame at a time that goes on from the one before, whatever track that was of."""
        if data.pts is None or data.time_base is None:
            return data
        time = data.pts * data.time_base
        if self._shift is None:
            after = Fraction(0) if self._last is None else self._last + SWITCH_SECONDS
            self._shift = after - time
        if self._shift and isinstance(data, VideoFrame | AudioFrame):
            data = copy_of(data)
            assert data.time_base is not None
            data.pts = round((time + self._shift) / data.time_base)
        self._last = time + self._shift
        return data


def _nothing() -> None:
    pass
