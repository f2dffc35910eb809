"""A file of media that is written by other threads, so that encoding holds up nobody.

aiortc 1.16's recorder encodes on its loop, which is in the thread of Trio as a rule.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import av
from av import AudioFrame, VideoFrame

FPS: Final = 30
"""What encoders of a video are told. Of two pictures with one number they fail."""

VIDEO_CODECS: Final = {"webm": ("libvpx", {"deadline": "realtime", "cpu-used": "8"})}
"""By format, with options that keep up with a call."""

USUAL_VIDEO: Final = ("libx264", {"preset": "veryfast"})

AUDIO_CODECS: Final = {
    "wav": "pcm_s16le",
    "mp3": "mp3",
    "ogg": "libopus",
    "opus": "libopus",
    "webm": "libopus",
    "flac": "flac",
}
USUAL_AUDIO: Final = "aac"


class Writer:
    """One file. What fails is kept, and nothing is written after that.

    Attributes:
        error: why it cannot be written any more.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be written, or no format has its name.
    """

    def __init__(self, path: Path):
        self.error: Exception | None = None
        self._container = av.open(str(path), mode="w")
        # The container takes one thread at a time.
        self._one = asyncio.Lock()
        self._sized: set[int] = set()

    def add(self, kind: str) -> Any:
        """A stream for frames of one kind, before anything is written."""
        name = self._container.format.name
        if kind == "audio":
            return self._container.add_stream(AUDIO_CODECS.get(name, USUAL_AUDIO))
        codec, options = VIDEO_CODECS.get(name, USUAL_VIDEO)
        stream: Any = self._container.add_stream(codec, rate=FPS, options=dict(options))
        stream.pix_fmt = "yuv420p"
        return stream

    async def write(self, stream: Any, frame: VideoFrame | AudioFrame | None) -> None:
        """Write a frame, or what the encoder has kept. Not to be cancelled."""
        async with self._one:
            if self.error is None:
                await self._in_thread(self._write, stream, frame)

    async def finish(self) -> None:
        async with self._one:
            if self.error is None:
                for stream in self._container.streams:
                    await self._in_thread(self._write, stream, None)
            await self._in_thread(self._container.close)

    async def _in_thread(self, fn: Any, *args: Any) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(None, fn, *args)
        except (av.FFmpegError, OSError, ValueError) as error:
            self.error = self.error or error

    def _write(self, stream: Any, frame: VideoFrame | AudioFrame | None) -> None:
        if isinstance(frame, VideoFrame) and stream.index not in self._sized:
            self._sized.add(stream.index)
            stream.width, stream.height = frame.width, frame.height
        for packet in stream.encode(frame):
            self._container.mux(packet)
