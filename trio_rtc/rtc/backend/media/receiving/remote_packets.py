"""What a track of the other side is encoded as: packets, for who wants no frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiortc import MediaStreamTrack
from av.packet import Packet

from ..encoded.encoded_format import EncodedFormat
from ..tracks import BEGINNING_FRAMES, PacketReader, Reader, Source


class RemotePackets(Source):
    """The packets of a track, as they leave its receive buffer.

    Nothing is decoded while somebody reads these and nobody the frames.

    Args:
        track: aiortc's.
        frames: the same track, decoded.

    Attributes:
        on_reader: called when somebody begins to read who has missed the beginning.
    """

    def __init__(self, track: MediaStreamTrack, frames: Source):
        super().__init__(track)
        self._frames = frames
        self.packets = self
        beginning = PacketReader(self, BEGINNING_FRAMES)
        super().add(beginning)
        self._beginning = beginning
        self.timeline = frames.timeline
        self.on_reader: Callable[[], None] = _nothing

    @property
    def are_wanted(self) -> bool:
        """Whether there is anybody to be fed, or may be soon."""
        return bool(self._readers)

    @property
    def is_read(self) -> bool:
        return len(self._readers) > (self._beginning is not None)

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
                self.on_reader()

    def feed(self, packet: Packet[Any], encoded: EncodedFormat) -> None:
        """Give a packet to those who read."""
        self.encoded = encoded
        if self.enabled:
            self._hand_out(packet)
        else:
            self._leave_gap()

    def end(self) -> None:
        """Nothing comes any more."""
        self._end()

    async def stop(self) -> None:
        self._end()


def _nothing() -> None:
    pass
