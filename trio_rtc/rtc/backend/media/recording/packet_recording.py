"""Recording of packets as they are: without an encoder, and without a decoder."""

from __future__ import annotations

import asyncio
import io
import logging
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.packet import Packet

from .....errors import MediaError
from ..encoded.encoded_format import EncodedFormat
from ..encoded.encoded_packets import copy_of_packet, time_of
from ..receiving.pictures.frame_size import coded_size
from ..tracks import PacketReader, Source
from .formats import ORDER, Format
from .recording import START_SECONDS
from .recording_timeline import Placement, Timeline

logger = logging.getLogger("trio_rtc.rtc")

KEPT: Final = 3000
"""Packets that may wait to be written: a minute."""

UNIT: Final = Fraction(1, 90_000)

_SOUND: Final = {
    "OPUS": ("libopus", 48_000, "stereo"),
    "G722": ("g722", 16_000, "mono"),
    "PCMU": ("pcm_mulaw", 8_000, "mono"),
    "PCMA": ("pcm_alaw", 8_000, "mono"),
}
"""FFmpeg's encoders, which tell a container of the codec; nothing is encoded."""


class _RecordedPackets:
    """The packets of one track, with the times at which they were made."""

    def __init__(self, source: Source, timeline: Timeline, on_news: asyncio.Event):
        self.source = source
        self.reader = PacketReader(source, KEPT)
        self.reader.on_asked = on_news.set
        self.stream: Any = None
        self.first: Packet[Any] | None = None
        self._waiting: list[tuple[Packet[Any], float]] = []
        self._placement = Placement(timeline)
        self._last = -1

    @property
    def is_over(self) -> bool:
        return self.reader.is_over

    def take(self, now: float) -> None:
        """Take what has come."""
        self.reader.ask()
        while (data := self.reader.take()) is not None:
            assert isinstance(data, Packet)
            self.first = self.first or data
            self._waiting.append((data, self._placement.place(time_of(data), now)))

    @property
    def began(self) -> float | None:
        return self._waiting[0][1] if self._waiting else None

    def made(self, origin: float) -> list[Packet[Any]]:
        """What has not been written, with its times in the file."""
        waiting, self._waiting = self._waiting, []
        packets = []
        for data, time in waiting:
            packet = copy_of_packet(data)
            self._last = max(round((time - origin) / UNIT), self._last + 1)
            length = packet.duration * packet.time_base if packet.duration else 0
            packet.pts = packet.dts = self._last
            packet.duration, packet.time_base = round(length / UNIT), UNIT
            packet.stream = self.stream
            packets.append(packet)
        return packets


class PacketRecording:
    """A file that the packets of tracks are written to, as they are.

    It begins a second after the first packet: a container names all of its tracks first.

    Args:
        path: of the file.
        file: the one that is there already, and goes if it stays empty.
        format_: of its name.

    Attributes:
        error: why it could not be written, or a part of it.
    """

    def __init__(self, path: Path, file: Path, format_: Format):
        self.error: Exception | None = None
        self._path = path
        self._file = file
        self._format = format_
        self._tracks: list[_RecordedPackets] = []
        self._timelines: dict[object, Timeline] = {}
        self._news = asyncio.Event()
        self._is_over = False
        self._origin: float | None = None
        self._container: Any = None
        self._task: asyncio.Task[None] | None = None

    @property
    def frames_dropped(self) -> int:
        return sum(track.reader.dropped for track in self._tracks)

    async def add(self, source: Source) -> None:
        """Record a source.

        Raises:
            MediaError: ``not_encoded``: it has no packets; ``recording_full``: the file has begun.
        """
        if source.packets is None:
            raise MediaError(
                f"a track of {source.kind} that is made here has no packets to be recorded",
                code="not_encoded",
            )
        if self._container is not None:
            raise MediaError(
                f"{str(self._path)!r} has begun without this track of {source.kind}",
                code="recording_full",
            )
        timeline = self._timelines.setdefault(source.timeline, Timeline())
        track = _RecordedPackets(source.packets, timeline, self._news)
        self._tracks.append(track)
        source.packets.add(track.reader)
        source.packets.start()
        track.reader.ask()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        self._news.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        began: float | None = None
        try:
            while not (self._is_over or (self._tracks and all(t.is_over for t in self._tracks))):
                self._news.clear()
                self._take(loop.time())
                if began is None and any(track.first for track in self._tracks):
                    began = loop.time()
                left = None if began is None else began + START_SECONDS - loop.time()
                if left is not None and left <= 0:
                    await self._write()
                    left = None
                await self._wait(left)
            self._take(loop.time())
            if any(track.first for track in self._tracks):
                await self._write()
        except Exception as error:  # noqa: BLE001  # It is told at the end.
            self.error = error
            logger.warning("the recording %s cannot be written: %s", self._path, error)
            for track in self._tracks:
                track.reader.stop()

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def _take(self, now: float) -> None:
        for track in self._tracks:
            track.take(now)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        if self._container is None:
            self._origin = min(t.began for t in self._tracks if t.began is not None)
            self._container = await loop.run_in_executor(None, self._begin)
        assert self._origin is not None
        packets = [p for t in self._tracks if t.stream is not None for p in t.made(self._origin)]
        if packets:
            await loop.run_in_executor(None, self._container.mux, packets)

    def _begin(self) -> Any:
        """In a thread: the container, with a stream for each track that has a packet."""
        container = av.open(
            self._format.ffmpeg_name(self._path), "w", options=dict(self._format.options)
        )
        try:
            for track in sorted(self._tracks, key=lambda track: ORDER.index(track.source.kind)):
                if track.first is not None:
                    assert track.source.encoded is not None
                    track.stream = _add_stream(container, track.source.encoded, bytes(track.first))
                else:
                    track.reader.stop()
            container.start_encoding()
        except BaseException:
            container.close()
            raise
        return container

    async def stop(self) -> None:
        """Write what has come, and finish the file. Not to be cancelled."""
        for track in self._tracks:
            track.reader.stop()
        self._is_over = True
        self._news.set()
        if self._task is not None:
            # There is nothing to be encoded: what is left is as quick as the disk.
            await asyncio.wait([self._task])
        await asyncio.get_running_loop().run_in_executor(None, self._finish)

    def _finish(self) -> None:
        try:
            if self._container is not None:
                self._container.close()
        except Exception as error:  # noqa: BLE001  # It is told by whoever has stopped it.
            self.error = self.error or error
        if self._file.is_file() and self._file.stat().st_size == 0:
            self._file.unlink()


def _add_stream(container: Any, encoded: EncodedFormat, first: bytes) -> Any:
    name = encoded.name.upper()
    if name in _SOUND:
        encoder, rate, layout = _SOUND[name]
        return container.add_stream(encoder, rate=rate, layout=layout)
    if name == "H264":
        # FFmpeg reads from a picture what a container is to know of the stream.
        with av.open(io.BytesIO(first), format="h264") as pictures:
            return container.add_stream_from_template(pictures.streams.video[0])
    width, height = coded_size(name, first) or (0, 0)
    return container.add_mux_stream(name.lower(), width=width, height=height)
