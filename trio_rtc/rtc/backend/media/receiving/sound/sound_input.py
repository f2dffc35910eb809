"""Sound reception: packets in, frames out when they are due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av import AudioFrame

from ....sctp.timer import Timer
from ...encoded.encoded_format import EncodedFormat
from ...encoded.encoded_packets import make_packet
from ..remote_packets import RemotePackets
from ..stream_clock import StreamClock
from ..timeline import PeerTimeline
from .playout import Concealment, PlayoutBuffer, SoundPacket
from .sound_decoding import SoundDecoder, sound_decoder, sound_length

logger = logging.getLogger("trio_rtc.rtc")


class SoundInput:
    """The receive buffer of one track, and its decoder, both on the loop.

    Args:
        timeline: that of the peer.
        give: takes each frame.
        packets: takes each packet, if there is anybody who wants them.
    """

    def __init__(
        self,
        timeline: PeerTimeline,
        give: Callable[[AudioFrame], None],
        packets: RemotePackets | None = None,
    ):
        self._packets = packets
        self._timeline = timeline
        self._give = give
        self._loop = asyncio.get_running_loop()
        self._timer = Timer(self._loop, self._play)
        self._codec: RTCRtpCodecParameters | None = None
        self._clock: StreamClock | None = None
        self._buffer: PlayoutBuffer | None = None
        self._decoder: SoundDecoder | None = None
        self._length: Callable[[bytes], int] = len

    def add(
        self, codec: RTCRtpCodecParameters, ssrc: int, number: int, timestamp: int, payload: bytes
    ) -> None:
        """Take a packet, whose number has no wraps; that of another source is far from the last."""
        if self._codec is None or codec.payloadType != self._codec.payloadType:
            self._use(codec)
        assert self._clock is not None
        assert self._buffer is not None
        try:
            length = self._length(payload) if payload else 0
        except ValueError as error:
            logger.debug("a packet of sound cannot be decoded: %s", error)
            return
        if not length:
            self.skip(number)
            return
        now = self._loop.time()
        time = self._clock.map(ssrc, number, timestamp, now, length=length)
        self._out(self._buffer.add(SoundPacket(number, time, length, payload), now))
        self._play()

    def skip(self, number: int) -> None:
        """Wait for no sound in a packet."""
        if self._buffer is not None:
            self._buffer.skip(number)
            self._play()

    def report(self, ssrc: int, ntp: int, timestamp: int) -> None:
        """Take a sender report."""
        if self._clock is not None:
            self._clock.report(ssrc, ntp, timestamp, self._loop.time())

    def _use(self, codec: RTCRtpCodecParameters) -> None:
        self.flush()
        if self._codec is None or codec.clockRate != self._codec.clockRate:
            old = self._clock
            self._clock = StreamClock(self._timeline, codec.clockRate, is_sound=True)
            if old is not None:
                self._clock.go_on_from(old)
        self._buffer = PlayoutBuffer(codec.clockRate)
        self._decoder, self._length = sound_decoder(codec), sound_length(codec)
        self._codec = codec

    def _play(self) -> None:
        buffer = self._buffer
        if buffer is None:
            return
        self._out(buffer.take(self._loop.time()))
        due = buffer.due
        if due is None:
            self._timer.cancel()
        else:
            self._timer.start(due - self._loop.time())

    def _out(self, played: Iterable[SoundPacket | Concealment]) -> None:
        for item in played:
            if self._packets is not None and self._packets.are_wanted:
                if isinstance(item, SoundPacket):
                    self._feed(self._packets, item)
                if not self._packets.frames_are_wanted:
                    continue
            frame = self._decode(item)
            if frame is not None:
                self._give(frame)

    def _feed(self, packets: RemotePackets, item: SoundPacket) -> None:
        codec = self._codec
        assert codec is not None
        packet = make_packet(
            item.payload, item.time, codec.clockRate, is_key=True, length=item.length
        )
        packets.feed(packet, EncodedFormat(codec.name))

    def _decode(self, item: SoundPacket | Concealment) -> AudioFrame | None:
        assert self._decoder is not None
        if isinstance(item, Concealment):
            return self._decoder.conceal(item)
        try:
            return self._decoder.decode(item)
        except ValueError as error:
            logger.debug("a packet of sound cannot be decoded: %s", error)
            return self._decoder.conceal(Concealment(item.time, item.length, None))

    def flush(self) -> None:
        """Play what there is, for nothing more comes for now."""
        if self._buffer is not None:
            self._out(self._buffer.flush())
        self._timer.cancel()

    def close(self, on_end: Callable[[], None]) -> None:
        """Play what there is, and tell that it is done. Nothing comes any more."""
        self.flush()
        self._timer.close()
        on_end()
        if self._clock is not None:
            self._clock.leave()
