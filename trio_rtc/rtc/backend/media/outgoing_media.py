"""Outgoing track: what a connection sends of a track, or of one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from aiortc import MediaStreamError, MediaStreamTrack
from aiortc.clock import current_ntp_time
from av import AudioFrame, VideoFrame
from av.packet import Packet

from ....world import world
from ..patches import can
from .bitrate import BitrateLimit
from .encodable import SOUND_SECONDS, SOUND_TOLERANCE, UniformSound, UniformTimes, even
from .encoded.encoded_format import EncodedFormat
from .encoded.encoded_packets import make_packet
from .simulcast.layered_reader import LayeredReader
from .simulcast.simulcast_packets import SimulcastPackets
from .tracks import PACKETS, Data, Reader, Source

logger = logging.getLogger("trio_rtc.rtc")

SEND_FRAMES = 30
"""Frames kept for an encoder that lags."""


class OutgoingTrack(MediaStreamTrack):
    """A track whose source can be another one while aiortc reads it.

    Args:
        source: what is sent; it is not read before `begin`.

    Attributes:
        bitrate: a limit to it.
        encoded: what the first source is encoded with, if it gives packets.
        is_layered: whether that comes in several layers, of which one is sent at a time.
        was_refused: whether it ended as the other side did not take it.
        taken: when the last frame was taken, in NTP's 1/2^32 of a second; 0 before the first.
        on_end: called when the source has ended, or `end` was called.
    """

    def __init__(self, source: Source):
        super().__init__()
        self.kind = source.kind
        if can("track_ids"):
            self._id = source.id
        self.bitrate = BitrateLimit()
        self.encoded: EncodedFormat | None = source.encoded
        self.is_layered = isinstance(source, SimulcastPackets)
        self.on_end: Callable[[], None] = _nothing
        self._source: Source | None = source
        self._reader: Reader | None = None
        self.taken = 0
        self._begun = False
        self._dropped = 0
        self._changed = asyncio.Event()
        self._over = False
        self.was_refused = False
        self._times = UniformTimes()
        self._sound = UniformSound()
        self._ready: deque[Data] = deque()
        self._due = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it sends nothing ever again."""
        return self._over

    def rename(self) -> None:
        """Have an id that no other track has."""
        self._id = world().random_uuid()

    def begin(self) -> None:
        """Keep frames from now on, also if another section is found for it later."""
        if not self._begun:
            self._begun = True
            self._subscribe()

    def _subscribe(self) -> None:
        if self._source is not None:
            limit = SEND_FRAMES if self._source.encoded is None else PACKETS
            self._reader = self._source.subscribe(limit)
            if isinstance(self._reader, LayeredReader):
                self._reader.path = self.bitrate.path_state

    @property
    def frames_dropped(self) -> int:
        """How many frames were not sent: gone before they could be encoded, or too much to send."""
        return self._dropped + (self._reader.dropped if self._reader is not None else 0)

    async def replace(self, source: Source | None) -> bool:
        """Send another source from now on, or nothing; False if the end has been told already."""
        if self._over:
            return False
        self._dropped = self.frames_dropped
        old, self._source, self._reader = self._reader, source, None
        self._ready.clear()
        self._times.begin()
        if self._begun:
            self._subscribe()
        self._changed.set()
        if old is not None:
            old.stop()
        return True

    def ask_key(self) -> None:
        """The other side wants a picture that stands by itself."""
        if self._reader is not None and self.encoded is not None:
            self._reader.ask_key()

    def refuse(self) -> None:
        """The other side does not take what is sent: it is over."""
        self.was_refused = True
        logger.warning("a track is not sent: the other side does not take %s", self.encoded)
        self._finish()

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
            if self.frames_dropped:
                logger.info(
                    "%d frames of a track of %s were not sent: encoder or path were too slow",
                    self.frames_dropped, self.kind,
                )  # fmt: skip
            self.on_end()

    async def recv(self) -> Data:
        while not self._over:
            if self._ready:
                await self._until_due()
                if not self._ready:
                    continue
                # What has been encoded by others is needed for what comes after it.
                if isinstance(self._ready[0], VideoFrame) and self.bitrate.is_behind:
                    self._ready.clear()
                    self._dropped += 1
                else:
                    self.bitrate.apply()
                    self.taken = current_ntp_time()
                    return self._ready.popleft()
                continue
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
                self._ready.extend(self._encodable(data))
                self._due = asyncio.get_running_loop().time()
        raise MediaStreamError

    async def _until_due(self) -> None:
        """Wait between two pieces of one frame of sound, as if each had come by itself."""
        wait = self._due - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
        self._due += SOUND_SECONDS

    def _encodable(self, data: Data) -> list[Data]:
        # Whoever reads a source has frames of their own.
        if isinstance(data, VideoFrame):
            self._times.stamp(data)
            return [even(data)]
        if isinstance(data, AudioFrame):
            self._times.stamp(data)
            return list(self._sound.convert(data))
        if isinstance(data, Packet) and self.encoded is not None:
            return [self._restamped(data, self.encoded.clock_rate)]
        return [data]

    def _restamped(self, packet: Packet[Any], rate: int) -> Packet[Any]:
        """The same packet, behind what was sent before it."""
        length = packet.duration or 0
        tolerance = SOUND_TOLERANCE if self.kind == "audio" else 0
        time = self._times.place(packet.pts, packet.time_base, rate, length, tolerance)
        is_key = bool(packet.is_keyframe)
        return make_packet(bytes(packet), time, rate, is_key=is_key, length=length)


def _nothing() -> None:
    pass
