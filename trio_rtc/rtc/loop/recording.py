"""Recording on the loop's side: aiortc's recorder, for tracks that come late or change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiortc.contrib.media import MediaRecorder
from av import VideoFrame

from .media import Data, Reader, Source

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
    """A file that tracks are written to, as soon as they bring something."""

    def __init__(self, path: Path):
        self._recorder = MediaRecorder(str(path))
        self._audio_only = path.suffix.lower() in AUDIO_ONLY
        self._video: list[_Video] = []
        self._audio: list[_Audio] = []
        self._start: asyncio.Task[None] | None = None

    async def add(self, source: Source, limit: int) -> bool:
        """Record a source; False if it comes too late."""
        if self._audio_only and source.kind == "video":
            return True
        if self._start is not None and self._start.done():
            return False
        reader: Reader
        if source.kind == "video":
            reader = _Video(source, limit)
            self._video.append(reader)
        else:
            reader = _Audio(source, limit, self._await_pictures)
            self._audio.append(reader)
        source.add(reader)
        self._recorder.addTrack(reader)
        if self._start is None:
            self._start = asyncio.get_running_loop().create_task(self._start_later())
        return True

    async def _start_later(self) -> None:
        await asyncio.sleep(START_SECONDS)
        await self._recorder.start()

    async def _await_pictures(self) -> None:
        # The first data that is written settles the size of all video in aiortc's recorder.
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
                await self._recorder.start()
        for reader in readers:
            reader.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_SECONDS):
                while any(reader.waiting for reader in readers):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        for reader in readers:
            reader.stop()
        await self._recorder.stop()


class _Video(Reader):
    """Pictures of one size, which a container wants: that of the first."""

    def __init__(self, source: Source, limit: int):
        super().__init__(source, limit)
        self.settled = asyncio.Event()
        self._size: tuple[int, int] | None = None

    def settle(self, size: tuple[int, int]) -> None:
        self._size = self._size or size

    async def recv(self) -> Data:
        if self._size is not None:
            # Asked again: the first picture is written.
            self.settled.set()
        data = await super().recv()
        assert isinstance(data, VideoFrame)
        self.settle((data.width, data.height))
        assert self._size is not None
        if (data.width, data.height) != self._size:
            data = data.reformat(width=self._size[0], height=self._size[1])
        return data


class _Audio(Reader):
    """Sound that begins after the first picture."""

    def __init__(self, source: Source, limit: int, await_pictures: Callable[[], Awaitable[None]]):
        super().__init__(source, limit)
        self._await_pictures: Callable[[], Awaitable[None]] | None = await_pictures

    async def recv(self) -> Data:
        if self._await_pictures is not None:
            await self._await_pictures()
            self._await_pictures = None
        return await super().recv()
