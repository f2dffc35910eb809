"""What a track of the other side is encoded as: packets, for who wants no frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from aiortc import MediaStreamTrack
from av.packet import Packet

from ...sctp.timer import Timer
from ..encoded.encoded_format import EncodedFormat
from ..tracks import BEGINNING_FRAMES, PacketReader, Reader, Source
from .keyframe_collapse import KeyframeCollapse
from .stream_ids import StreamIds


class KeyframeAsking:
    """Requests for keyframes, on their way from who reads packets to whose they are.

    Attributes:
        on_wanted: called when the other side is to be asked.
    """

    def __init__(self) -> None:
        self.on_wanted: Callable[[], None] = _nothing
        self._loop = asyncio.get_running_loop()
        self._collapse = KeyframeCollapse()
        self._timer = Timer(self._loop, self._look)
        self._is_over = False

    def ask(self) -> None:
        """Somebody needs one."""
        if self._collapse.ask(self._loop.time()):
            self.on_wanted()
        else:
            self._plan()

    def arrive(self) -> None:
        """One has come."""
        self._collapse.arrive(self._loop.time())
        self._timer.cancel()

    def close(self) -> None:
        """Nothing comes any more."""
        self._is_over = True
        self._timer.close()

    def _look(self) -> None:
        if self._collapse.look(self._loop.time()):
            self.on_wanted()
        self._plan()

    def _plan(self) -> None:
        if self._collapse.due is None or self._is_over:
            self._timer.cancel()
        else:
            self._timer.start_at(self._collapse.due)


class PacketSink(Protocol):
    """Where the packets of a track go, or of one of its layers.

    Attributes:
        on_key_wanted: called when the other side is to be asked for a keyframe.
    """

    on_key_wanted: Callable[[], None]

    @property
    def are_wanted(self) -> bool:
        """Whether there is anybody to be fed, or may be soon."""

    @property
    def frames_are_wanted(self) -> bool:
        """Whether what comes is to be decoded."""

    def feed(self, packet: Packet[Any], encoded: EncodedFormat) -> None:
        """Give a packet to those who read."""


class RemotePackets(Source):
    """The packets of a track, as they leave its receive buffer.

    Nothing is decoded while somebody reads these and nobody the frames.

    Args:
        track: aiortc's.
        frames: the same track, decoded.

    Attributes:
        stream_ids: tells its layers apart, if it has some.
    """

    def __init__(self, track: MediaStreamTrack, frames: Source):
        super().__init__(track)
        self._frames = frames
        self.packets = self
        beginning = PacketReader(self, BEGINNING_FRAMES)
        super().add(beginning)
        self._beginning = beginning
        self.timeline = frames.timeline
        self.stream_ids = StreamIds()
        self._is_held = False
        self._loop = asyncio.get_running_loop()
        self._asking = KeyframeAsking()

    @property
    def on_key_wanted(self) -> Callable[[], None]:
        """Called when the other side is to be asked for a keyframe."""
        return self._asking.on_wanted

    @on_key_wanted.setter
    def on_key_wanted(self, call: Callable[[], None]) -> None:
        self._asking.on_wanted = call

    def layer(self, rid: str | None) -> PacketSink:
        """Where the packets of a layer go; there is but one here."""
        return self

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
        self._asking.ask()

    def feed(self, packet: Packet[Any], encoded: EncodedFormat) -> None:
        """Give a packet to those who read."""
        self.encoded = encoded
        if packet.is_keyframe and self.kind == "video":
            self._asking.arrive()
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
        self._asking.close()
        super()._end()


def _nothing() -> None:
    pass
