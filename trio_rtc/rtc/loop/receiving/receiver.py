"""An `RTCRtpReceiver` whose media are in time.

aiortc 1.16 keeps what it receives until other packets push it out, and waits for all places of its
buffer after one loss; it takes a step back of a clock for a wrap, and a BYE for the end of a
track. What this needs of it that is not public is listed in `private`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from aiortc import RTCRtpReceiver
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtp import AnyRtcpPacket, RtcpByePacket, RtcpSrPacket, RtpPacket

from ..private import can
from . import router
from .reception import Reception
from .sound_input import SoundInput
from .source import ActiveSource
from .timeline import PeerTimeline

logger = logging.getLogger("trio_rtc.rtc")


def install(
    receiver: RTCRtpReceiver, timeline: PeerTimeline, ends_by_bye: Callable[[], bool]
) -> None:
    """Have a receiver that has a track, and has not begun, become one of ours.

    Args:
        receiver: one of aiortc's.
        timeline: that of the peer, for all its receivers.
        ends_by_bye: whether a BYE ends a track, as peers of ours mean it; by itself it
            mutes (W3C webrtc, section 5.3), and sound may come again.
    """
    private: Any = receiver
    if isinstance(receiver, _Receiver) or private._RTCRtpReceiver__kind != "audio":
        return
    if can("receiving"):
        receiver.__class__ = _Receiver
        cast(_Receiver, receiver)._prepare(timeline, ends_by_bye)


class _Receiver(RTCRtpReceiver):
    def _prepare(self, timeline: PeerTimeline, ends_by_bye: Callable[[], bool]) -> None:
        self._timeline = timeline
        self._ends_by_bye = ends_by_bye
        self._source = ActiveSource()
        self._input: SoundInput | None = None
        #: The track that the input is of, and the last one that has ended: a section can be used
        #: for one after the other.
        self._fed: Any = None
        self._ended: Any = None
        self._reception = Reception()

    @property
    def _private(self) -> Any:
        return self

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        private = self._private
        if private._RTCRtpReceiver__started:
            return
        for codec in parameters.codecs:
            private._RTCRtpReceiver__codecs[codec.payloadType] = codec
        for encoding in parameters.encodings:
            if encoding.rtx:
                private._RTCRtpReceiver__rtx_ssrc[encoding.rtx.ssrc] = encoding.ssrc
        # Without the thread that decodes, which holds up the loop when it ends.
        router.install(self.transport)
        self.transport._register_rtp_receiver(cast(Any, self), parameters)
        private._RTCRtpReceiver__rtcp_task = asyncio.ensure_future(self._run_rtcp())
        private._RTCRtpReceiver__started = True

    async def stop(self) -> None:
        self._end()
        await super().stop()

    def _handle_disconnect(self) -> None:
        self._end()

    def _end(self) -> None:
        """Hand out what there is, and the end."""
        if self._input is not None:
            self._input.close()
            self._input = None
        track = self._track
        if track is not None and track is not self._ended:
            self._ended = track
            track._queue.put_nowait(None)

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpByePacket):
            for ssrc in packet.sources:
                if self._source.leave(ssrc):
                    self._mute()
            return
        await super()._handle_rtcp_packet(packet)
        if isinstance(packet, RtcpSrPacket) and self._input is not None:
            info = packet.sender_info
            self._input.report(packet.ssrc, info.ntp_timestamp, info.rtp_timestamp)

    def _mute(self) -> None:
        if self._ends_by_bye():
            self._end()
        elif self._input is not None:
            self._input.flush()

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        private = self._private
        if not self._enabled or self._track is None or self._track is self._ended:
            return
        codecs = private._RTCRtpReceiver__codecs
        codec: RTCRtpCodecParameters | None = codecs.get(packet.payload_type)
        now = asyncio.get_running_loop().time()
        if codec is None:
            if packet.ssrc == self._source.ssrc:
                self._skip(self._source.accept(packet.ssrc, packet.sequence_number, now))
            return
        self._reception.note(self, packet, codec.clockRate)
        number = self._source.accept(packet.ssrc, packet.sequence_number, now)
        if number is None:
            return
        self._open_input().add(codec, packet.ssrc, number, packet.timestamp, packet.payload)

    def _skip(self, number: int | None) -> None:
        if number is not None and self._input is not None:
            self._input.skip(number)

    def _open_input(self) -> SoundInput:
        if self._input is None or self._fed is not self._track:
            if self._input is not None:
                self._input.close()
            self._fed = track = self._private._track
            self._input = SoundInput(self._timeline, track._queue.put_nowait)
        return self._input
