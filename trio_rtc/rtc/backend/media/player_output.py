"""What comes of the packets of a source that is played: frames, or the packets as they are."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Protocol

import av
from av import AudioFrame, VideoFrame
from av.packet import Packet

from .encodable import PICTURES, SOUND_TOLERANCE, UniformSound, UniformTimes
from .encoded.encoded_format import EncodedFormat, format_of
from .encoded.encoded_packets import make_packet
from .encoded.h264 import BadH264
from .recording.shaping import Upright

logger = logging.getLogger("trio_rtc.rtc")

PCM_BYTES = 160
"""20 ms of what has a byte for each tick: more might not fit into a packet of the network."""


class PlayerOutput(Protocol):
    """Makes of a packet of one stream what is sent of it.

    Attributes:
        end: of what was made last, in seconds.
    """

    @property
    def end(self) -> Fraction: ...
    def take(self, packet: Packet[Any]) -> Iterable[Any]: ...
    def convert(self, data: Any) -> Iterable[Any]: ...


class DecodedOutput:
    """Frames that encoders take."""

    def __init__(self) -> None:
        self._times = UniformTimes()
        self._sound = UniformSound()
        self._upright = Upright()

    @property
    def end(self) -> Fraction:
        return self._times.end

    def take(self, packet: Packet[Any]) -> Iterable[VideoFrame | AudioFrame]:
        """The frames of a packet, with the times of their container."""
        try:
            return packet.decode()
        except av.InvalidDataError as error:
            # A place of a file that is damaged, or what came over the network in part.
            logger.debug("a packet of media cannot be decoded: %s", error)
            return ()

    def convert(self, data: VideoFrame | AudioFrame) -> Iterable[VideoFrame | AudioFrame]:
        """What is sent of a frame."""
        if isinstance(data, AudioFrame):
            self._times.stamp(data)
            return self._sound.convert(data)
        data = self._upright.apply(data)
        self._times.stamp(data)
        return [data]


class EncodedOutput:
    """Packets that RTP takes, in its ticks.

    Raises:
        NotSendable: no peer takes what is in the stream.
    """

    def __init__(self, stream: Any):
        self.format: EncodedFormat
        self.format, self._units = format_of(stream)
        self._is_pcm = self.format.clock_rate == 8_000
        self._times = UniformTimes()

    @property
    def end(self) -> Fraction:
        return self._times.end

    def take(self, packet: Packet[Any]) -> Iterable[Packet[Any]]:
        """The packet itself; FFmpeg's last one has nothing in it."""
        return [packet] if packet.size else []

    def convert(self, data: Packet[Any]) -> Iterator[Packet[Any]]:
        """What is sent of a packet."""
        payload, is_key, rate = bytes(data), bool(data.is_keyframe), self.format.clock_rate
        if self._units is not None:
            try:
                payload, is_key = self._units.convert(payload)
            except BadH264 as error:
                logger.debug("a packet of media cannot be sent: %s", error)
                return
        if self._is_pcm:
            length = len(payload)
        elif data.duration and data.time_base:
            length = round(data.duration * data.time_base * rate)
        else:
            length = rate // PICTURES
        tolerance = SOUND_TOLERANCE if rate != 90_000 else 0
        time = self._times.place(data.pts, data.time_base, rate, length, tolerance)
        if not self._is_pcm:
            yield make_packet(payload, time, rate, is_key=is_key, length=length)
            return
        for place in range(0, length, PCM_BYTES):
            piece = payload[place : place + PCM_BYTES]
            yield make_packet(piece, time + place, rate, is_key=True, length=len(piece))
