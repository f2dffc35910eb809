"""Play-out of a voice: a short buffer of sound that a program fills, read at its pace.

A track of `open_track` is asked for its next frame while the last one is still on its way, 60 ms
before it is sent. This one is read when it is sent, so that what is taken out is not heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from threading import Lock
from typing import Final

from aiortc import MediaStreamError, MediaStreamTrack
from av import AudioFrame

FRAME_SECONDS: Final = 0.02

MOST_LATE: Final = 0.2
"""Seconds behind the clock, after which the rest is left out and not made up for."""


class VoiceBuffer:
    """Samples that wait to be played, between the program's thread and the loop's.

    Args:
        limit: bytes that there is room for.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._data = bytearray()
        self._lock = Lock()

    def put(self, data: memoryview) -> int:
        """Take as much as there is room for; tell how many bytes that was."""
        with self._lock:
            taken = data[: max(self._limit - len(self._data), 0)]
            self._data += taken
            return len(taken)

    def take(self, size: int) -> bytes:
        """What is next, up to so many bytes."""
        with self._lock:
            taken = bytes(self._data[:size])
            del self._data[:size]
            return taken

    def clear(self) -> bytes:
        """Take out all that waits."""
        return self.take(self._limit)

    def __len__(self) -> int:
        return len(self._data)


class VoiceTrack(MediaStreamTrack):
    """16-bit mono sound from a buffer, 20 ms at a time, with silence while there is none.

    Args:
        buffer: what is played.
        rate: samples per second.
        on_taken: called whenever a frame has been made.
    """

    kind = "audio"

    def __init__(self, buffer: VoiceBuffer, rate: int, on_taken: Callable[[], object]):
        super().__init__()
        self._buffer = buffer
        self._rate = rate
        self._on_taken = on_taken
        self._samples = round(rate * FRAME_SECONDS)
        self._began: float | None = None
        self._frames = 0

    async def recv(self) -> AudioFrame:
        clock = asyncio.get_running_loop().time
        if self._began is None:
            self._began = clock()
        late = clock() - self._began - self._frames * FRAME_SECONDS
        if late > MOST_LATE:
            self._frames += int(late / FRAME_SECONDS)
        elif late < 0:
            await asyncio.sleep(-late)
        if self.readyState != "live":
            raise MediaStreamError
        frame = AudioFrame(format="s16", layout="mono", samples=self._samples)
        size = 2 * self._samples
        frame.planes[0].update(self._buffer.take(size).ljust(size, b"\0"))
        frame.sample_rate = self._rate
        frame.pts = self._frames * self._samples
        frame.time_base = Fraction(1, self._rate)
        self._frames += 1
        self._on_taken()
        return frame
