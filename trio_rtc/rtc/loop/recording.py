"""Recording on the loop's side: of tracks that come late or change."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path

from aiortc import MediaStreamError
from av import AudioFrame, VideoFrame

from .encodable import UniformSound, even_size
from .media import Data, Reader, Source
from .writing import FPS, Writer

START_SECONDS = 1.0
"""A recording begins this long after its first track: a container names all of them first."""

VIDEO_SECONDS = 2.0
"""How long sound waits for the first picture."""

WRITE_SECONDS = 3.0
"""How long it may take at the end to write what has come before."""

DEFAULT_SIZE = (640, 480)
"""The size of a video of which no picture came in time: FFmpeg's own default."""

AUDIO_ONLY = {".wav", ".mp3", ".ogg", ".opus", ".flac", ".aac"}
"""Files in which video is left out."""


class Recording:
    """A file that tracks are written to, from when they are added."""

    def __init__(self, path: Path):
        self._writer = Writer(path)
        self._audio_only = path.suffix.lower() in AUDIO_ONLY
        self._video: list[_Video] = []
        self._audio: list[_Audio] = []
        self._start: asyncio.Task[None] | None = None
        self._writing: list[asyncio.Task[None]] = []

    @property
    def error(self) -> Exception | None:
        """Why the file could not be written."""
        return self._writer.error

    async def add(self, source: Source, limit: int) -> bool:
        """Record a source; False if it comes too late."""
        if self._audio_only and source.kind == "video":
            return True
        if self._start is not None and self._start.done():
            return False
        if source.kind == "video":
            self._video.append(_Video(source, limit))
            source.add(self._video[-1])
        else:
            self._audio.append(_Audio(source, limit, self._await_pictures))
            source.add(self._audio[-1])
        source.start()
        if self._start is None:
            self._start = asyncio.get_running_loop().create_task(self._start_later())
        return True

    async def _start_later(self) -> None:
        await asyncio.sleep(START_SECONDS)
        self._begin()

    def _begin(self) -> None:
        for reader in (*self._video, *self._audio):
            writing = self._write(reader, self._writer.add(reader.kind))
            self._writing.append(asyncio.get_running_loop().create_task(writing))

    async def _write(self, reader: Reader, stream: object) -> None:
        while True:
            try:
                data = await reader.recv()
            except MediaStreamError:
                return
            assert isinstance(data, VideoFrame | AudioFrame)
            await self._writer.write(stream, data)

    async def _await_pictures(self) -> None:
        # The first data that is written settles the size of all video in a container.
        waiting = [asyncio.ensure_future(video.settled.wait()) for video in self._video]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=VIDEO_SECONDS)
            for task in late:
                task.cancel()
            for video in self._video:
                video.settle(DEFAULT_SIZE)

    async def stop(self) -> None:
        """Write what has come, and finish the file."""
        readers = (*self._video, *self._audio)
        if self._start is not None and not self._start.done():
            self._start.cancel()
            await asyncio.wait([self._start])
            if any(reader.received for reader in readers):
                self._begin()
        for reader in readers:
            # Nothing more comes; what has come is still there.
            reader.stop()
        if self._writing:
            await asyncio.wait(self._writing, timeout=WRITE_SECONDS)
            for reader in readers:
                reader.clear()
            # What is being written is let go on, in its thread.
            await asyncio.gather(*self._writing)
        await self._writer.finish()


class _Video(Reader):
    """Pictures of one size, that of the first, and of times that an encoder tells apart."""

    def __init__(self, source: Source, limit: int):
        super().__init__(source, limit)
        self.settled = asyncio.Event()
        self._size: tuple[int, int] | None = None
        self._last = -1
        self._shift = 0

    def settle(self, size: tuple[int, int]) -> None:
        self._size = self._size or size

    async def recv(self) -> Data:
        if self._size is not None:
            # Asked again: the first picture is written.
            self.settled.set()
        data = await self._next()
        self.settle(even_size(data.width, data.height))
        assert self._size is not None
        if (data.width, data.height) != self._size:
            data = data.reformat(width=self._size[0], height=self._size[1])
        return data

    async def _next(self) -> VideoFrame:
        while True:
            data = await super().recv()
            assert isinstance(data, VideoFrame)
            number = round((data.time or 0.0) * FPS) + self._shift
            if number < self._last - FPS:
                # The source has begun again.
                self._shift += self._last + 1 - number
                number = self._last + 1
            # Two that come close are next to each other; of more the others are left out.
            if number >= self._last:
                self._last = max(number, self._last + 1)
                data.pts, data.time_base = self._last, Fraction(1, FPS)
                return data


class _Audio(Reader):
    """Sound of one form, which begins after the first picture."""

    def __init__(self, source: Source, limit: int, await_pictures: Callable[[], Awaitable[None]]):
        super().__init__(source, limit)
        self._await_pictures: Callable[[], Awaitable[None]] | None = await_pictures
        self._sound = UniformSound()
        self._ready: deque[AudioFrame] = deque()

    async def recv(self) -> Data:
        if self._await_pictures is not None:
            await self._await_pictures()
            self._await_pictures = None
        while not self._ready:
            data = await super().recv()
            assert isinstance(data, AudioFrame)
            self._ready.extend(self._sound.convert(data))
        return self._ready.popleft()
