"""What a track of the other side is encoded as: packets, for who wants no frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiortc import MediaStreamTrack
from av.packet import Packet

from ...sctp.timer import Timer
from ..encoded.encoded_format import EncodedFormat
from ..tracks import BEGINNING_FRAMES, PacketReader, Reader, Source
from .keyframe_collapse import KeyframeCollapse


class RemotePackets(Source):
    """The packets of a track, as they leave its receive buffer.

    Nothing is decoded while somebody reads these and nobody the frames.

    Args:
        track: aiortc's.
        frames: the same track, decoded.

    Attributes:
        on_key_wanted: called when the other side is to be asked for a keyframe.
    """

    def __init__(self, track: MediaStreamTrack, frames: Source):
        super().__init__(track)
        self._frames = frames
        self.packets = self
        beginning = PacketReader(self, BEGINNING_FRAMES)
        super().add(beginning)
        self._beginning = beginning
        self.timeline = frames.timeline
        self.on_key_wanted: Callable[[], None] = _nothing
        self._is_held = False
        self._loop = asyncio.get_running_loop()
        self._collapse = KeyframeCollapse()
        self._timer = Timer(self._loop, self._look)

    @property
    def are_wanted(self) -> bool:
        """Whether there is anybody to be fed, or may be soon."""
        return bool(self._readers)

    @property
    def is_read(self) -> bool:
        return self._is_held or len(self._readers) > (self._beginning is not None)

    async def hold(self) -> None:
        """Have nothing decoded for nobody from now on, also while nobody reads packets."""
        self._is_held = True
        self._frames.forget_beginning()

    @property
    def frames_are_wanted(self) -> bool:
        """Whether what comes is to be decoded."""
        return not self.is_read or self._frames.is_read

    def start(self) -> None:
        """Nothing is to be begun: it is fed."""

    def add(self, reader: Reader) -> None:
        begins_later = self._beginning is None
        super().add(reader)
        if self.is_read:
            self._frames.forget_beginning()
            if begins_later:
                self.ask_key()

    def ask_key(self) -> None:
        if self._collapse.ask(self._loop.time()):
            self.on_key_wanted()
        else:
            self._plan()

    def _look(self) -> None:
        if self._collapse.look(self._loop.time()):
            self.on_key_wanted()
        self._plan()

    def _plan(self) -> None:
        if self._collapse.due is None or self.is_over:
            self._timer.cancel()
        else:
            self._timer.start_at(self._collapse.due)

    def feed(self, packet: Packet[Any], encoded: EncodedFormat) -> None:
        """Give a packet to those who read."""
        self.encoded = encoded
        if packet.is_keyframe and self.kind == "video":
            self._collapse.arrive(self._loop.time())
            self._timer.cancel()
        if self.enabled:
            self._hand_out(packet)
        else:
            self._leave_gap()

    def end(self) -> None:
        """Nothing comes any more."""
        self._end()

    async def stop(self) -> None:
        self._end()

    def _end(self) -> None:
        self._timer.close()
        super()._end()


def _nothing() -> None:
    pass
