"""Picture reception: packets in, frames out as soon as they can be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av import VideoFrame

from ....sctp.timer import Timer
from ...encoded.encoded_format import EncodedFormat
from ...encoded.encoded_packets import make_packet
from ...encoded.h264 import AccessUnits
from ..nack import RetransmissionRequests
from ..remote_packets import PacketSink
from ..stream_clock import StreamClock
from ..timeline import PeerTimeline
from .keyframes import KeyframeRequests
from .picture_buffer import Picture, PictureBuffer, PicturePacket
from .picture_decoding import EncodedPicture, PictureDecoding
from .picture_limit import MAX_UNDECODED, PictureGate
from .picture_packets import may_precede, parse

logger = logging.getLogger("trio_rtc.rtc")


class PictureInput:
    """The receive buffer of one track, what it asks its sender for, and its decoder.

    Args:
        timeline: that of the peer.
        gate: decides which pictures may be decoded.
        give: takes each frame.
        ask_again: asks for packets, by their sequence numbers.
        ask_key: asks for a picture that stands by itself.
        packets: takes each picture as it is, if there is anybody who wants them.
    """

    def __init__(
        self,
        timeline: PeerTimeline,
        gate: PictureGate,
        give: Callable[[VideoFrame], None],
        ask_again: Callable[[Sequence[int]], None],
        ask_key: Callable[[], None],
        packets: PacketSink | None = None,
    ):
        self._loop = asyncio.get_running_loop()
        self._timer = Timer(self._loop, self._look)
        self._timeline = timeline
        self._clock: StreamClock | None = None
        self._gate = gate
        self._ask_again = ask_again
        self._ask_key = ask_key
        self._buffer = PictureBuffer()
        self._missing = RetransmissionRequests()
        self._keys = KeyframeRequests()
        self._decoding = PictureDecoding(give, self._want_key)
        self._decoder_wants_key = False
        self._packets = packets
        self._units = AccessUnits(b"")
        #: Whether the decoder has not been given what the next picture may build on.
        self._has_gap = False
        if packets is not None:
            packets.on_key_wanted = self._want_key
        self._closed = False
        self._codec: RTCRtpCodecParameters | None = None
        self._ssrc = 0
        self._count = 0

    def add(
        self,
        codec: RTCRtpCodecParameters,
        ssrc: int,
        number: int,
        timestamp: int,
        payload: bytes,
        *,
        marker: bool,
    ) -> None:
        """Take a packet, whose number has no wraps; that of another source is far from the last."""
        if self._clock is None:
            self._clock = StreamClock(self._timeline, codec.clockRate, is_sound=False)
        if payload:
            self._codec, self._ssrc = codec, ssrc
        self._take(_packet(codec.name, number, timestamp, payload, marker=marker))

    def skip(self, number: int) -> None:
        """Wait for no picture in a packet."""
        self._take(PicturePacket(number, 0, marker=False, data=b""))

    def _take(self, packet: PicturePacket) -> None:
        now = self._loop.time()
        if numbers := self._missing.receive(packet.number, now):
            self._ask_again(numbers)
        self._out(self._buffer.add(packet, now), now)
        self._plan(now)

    def report(self, ssrc: int, ntp: int, timestamp: int) -> None:
        """Take a sender report."""
        if self._clock is not None:
            self._clock.report(ssrc, ntp, timestamp, self._loop.time())

    def _look(self) -> None:
        now = self._loop.time()
        self._out(self._buffer.take(now), now)
        self._missing.forget_before(self._buffer.begins_at)
        if numbers := self._missing.take(now):
            self._ask_again(numbers)
        self._plan(now)

    def _plan(self, now: float) -> None:
        """Ask for a key picture where one is wanted, and come back when something is due."""
        self._missing.forget_before(self._buffer.begins_at)
        if self._buffer.wants_key(now) or self._decoder_wants_key:
            if self._keys.want(now):
                self._ask_key()
        else:
            self._keys.settle()
        if self._closed:
            return
        times = (self._buffer.due, self._missing.due, self._keys.due)
        due = min((time for time in times if time is not None), default=None)
        if due is None:
            self._timer.cancel()
        else:
            self._timer.start(max(due - now, 0.001))

    def _want_key(self) -> None:
        self._decoder_wants_key = True
        self._plan(self._loop.time())

    def _out(self, pictures: Iterable[Picture], now: float) -> None:
        codec = self._codec
        for picture in pictures:
            assert codec is not None
            assert self._clock is not None
            self._count += 1
            time = self._clock.map(
                self._ssrc,
                self._count,
                picture.timestamp,
                now,
                may_precede=may_precede(codec.name, picture.data),
            )
            if self._goes_undecoded(codec, picture, time):
                continue
            if self._may_be_decoded(codec, picture):
                if picture.is_key:
                    self._decoder_wants_key = False
                    self._keys.arrive()
                self._decoding.add(EncodedPicture(codec, time, picture.data))

    def _goes_undecoded(self, codec: RTCRtpCodecParameters, picture: Picture, time: int) -> bool:
        """Hand a picture to who wants it as it is; tell whether that is all."""
        packets = self._packets
        if packets is not None and packets.are_wanted:
            data, is_key, profile = picture.data, picture.is_key, None
            if codec.name == "H264":
                data, is_idr = self._units.convert(data)
                is_key, profile = is_key or is_idr, self._units.profile_level_id
            packet = make_packet(data, time, codec.clockRate, is_key=is_key)
            packets.feed(packet, EncodedFormat(codec.name, profile))
            if not packets.frames_are_wanted:
                self._has_gap = True
                if is_key:
                    self._decoder_wants_key = False
                    self._keys.arrive()
                return True
        if self._has_gap and not picture.is_key:
            self._decoder_wants_key = True
            return True
        self._has_gap = False
        return False

    def _may_be_decoded(self, codec: RTCRtpCodecParameters, picture: Picture) -> bool:
        if self._decoding.backlog >= MAX_UNDECODED:
            self._gate.leave_out("they come faster than they can be decoded")
        elif self._gate.admits(codec.name, picture.data):
            return True
        self._decoder_wants_key = True
        return False

    def flush(self) -> None:
        """Decode what is complete, for nothing more comes for now."""
        now = self._loop.time()
        self._out(self._buffer.flush(now), now)

    def close(self, on_end: Callable[[], None]) -> None:
        """Decode what is complete, and tell when that is done. Nothing comes any more."""
        self.flush()
        self._closed = True
        self._timer.close()
        self._gate.close()
        self._decoding.end(on_end)
        if self._clock is not None:
            self._clock.leave()

    async def wait_closed(self) -> None:
        """Wait until the last picture is given."""
        await self._decoding.wait()


def _packet(
    codec: str, number: int, timestamp: int, payload: bytes, *, marker: bool
) -> PicturePacket:
    if not payload:
        return PicturePacket(number, timestamp, marker, b"")
    try:
        data, begins, is_key = parse(codec, payload)
    except (ValueError, IndexError) as error:
        logger.debug("a packet of a picture cannot be read: %s", error)
        return PicturePacket(number, timestamp, marker, b"", is_broken=True)
    return PicturePacket(number, timestamp, marker, data, begins=begins, is_key=is_key)
