"""An `RTCRtpReceiver` whose media are in time.

aiortc 1.16 keeps what it receives until other packets push it out, and waits for all places of its
buffer after one loss; it asks for lost packets once, takes a step back of a clock for a wrap, and a
BYE for the end of a track. What this needs of it that is not public is listed in `ledger`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from aiortc import RTCRtpReceiver
from aiortc.codecs import is_rtx
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpSrPacket,
    RtpPacket,
    pack_remb_fci,
    unwrap_rtx,
)

from ....bridge.eager import start_eagerly
from ..congestion.media_path import path_of
from . import router
from .pictures.picture_input import PictureInput
from .pictures.picture_limit import PictureGate
from .reception import Reception
from .remote_packets import RemotePackets
from .sound.sound_input import SoundInput
from .source import ActiveSource
from .timeline import PeerTimeline


def install(
    receiver: RTCRtpReceiver,
    timeline: PeerTimeline,
    gate: PictureGate,
    ends_by_bye: Callable[[], bool],
    packets: RemotePackets,
) -> None:
    """Have a receiver that has not begun become one of ours.

    Args:
        receiver: one of aiortc's.
        timeline: that of the peer, for all its receivers.
        gate: for its pictures, if it is of pictures.
        ends_by_bye: whether a BYE ends a track, as peers of ours mean it; by itself it
            mutes (W3C webrtc, section 5.3), and media may come again.
        packets: where the packets of its track go.
    """
    if not isinstance(receiver, _TimedReceiver):
        receiver.__class__ = _TimedReceiver
        cast(_TimedReceiver, receiver)._prepare(timeline, gate, ends_by_bye)
    cast(_TimedReceiver, receiver)._lead_packets_to(packets)


class _TimedReceiver(RTCRtpReceiver):
    def _prepare(
        self, timeline: PeerTimeline, gate: PictureGate, ends_by_bye: Callable[[], bool]
    ) -> None:
        self._timeline = timeline
        self._gate = gate
        self._ends_by_bye = ends_by_bye
        self._streams: dict[str | None, _Stream] = {}
        #: The last track that has ended: a section can be used for one after the other.
        self._ended: Any = None
        self._reception = Reception()
        #: Those that may still decode what they have.
        self._closing: set[PictureInput] = set()

    def _lead_packets_to(self, packets: RemotePackets) -> None:
        self._packets = packets

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
        for media in list(self._closing):
            await media.wait_closed()

    def _handle_disconnect(self) -> None:
        self._end()

    def _end(self) -> None:
        """Hand out what there is, and the end."""
        track = self._private._track
        if track is None or track is self._ended:
            return
        self._ended = track
        closing = [media for stream in self._streams.values() if (media := stream.take_input())]
        left = len(closing)

        def end() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                track._queue.put_nowait(None)

        for media in closing:
            self._close_input(media, end)
        if not closing:
            end()
        self._packets.end()

    def _close_input(self, media: SoundInput | PictureInput, on_end: Callable[[], None]) -> None:
        if isinstance(media, SoundInput):
            media.close(on_end)
            return

        def end() -> None:
            self._closing.discard(media)
            on_end()

        self._closing.add(media)
        media.close(end)

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpByePacket):
            for ssrc in packet.sources:
                for stream in tuple(self._streams.values()):
                    if stream.source.leave(ssrc):
                        self._mute(stream)
            return
        await super()._handle_rtcp_packet(packet)
        if isinstance(packet, RtcpSrPacket):
            info = packet.sender_info
            sender = self._streams.get(self._packets.stream_ids.of(packet.ssrc))
            if sender is not None and sender.input is not None:
                sender.input.report(packet.ssrc, info.ntp_timestamp, info.rtp_timestamp)

    def _mute(self, stream: _Stream) -> None:
        if self._ends_by_bye():
            self._end()
        elif stream.input is not None:
            stream.input.flush()

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        self._note_arrival(packet, arrival_time_ms)
        track = self._private._track
        if not self._enabled or track is None or track is self._ended:
            return
        codecs: dict[int, RTCRtpCodecParameters] = self._private._RTCRtpReceiver__codecs
        codec = codecs.get(packet.payload_type)
        stream = self._stream_of(packet)
        if codec is None or stream is None:
            if stream is not None and packet.ssrc == stream.source.ssrc:
                self._skip(stream, packet)
            return
        self._reception.note(self, packet, codec.clockRate)
        if is_rtx(codec):
            repeated = self._unwrap(stream, packet, codec)
            codec = None if repeated is None else codecs.get(repeated.payload_type)
            if repeated is None or codec is None or repeated.ssrc != stream.source.ssrc:
                return
            self._reception.put_last(self, repeated.ssrc)
            packet = repeated
        number = stream.accept(packet)
        if number is None:
            return
        media = self._open_input(stream)
        if isinstance(media, PictureInput):
            media.add(
                codec,
                packet.ssrc,
                number,
                packet.timestamp,
                packet.payload,
                marker=bool(packet.marker),
            )
        else:
            media.add(codec, packet.ssrc, number, packet.timestamp, packet.payload)

    def _stream_of(self, packet: RtpPacket) -> _Stream | None:
        """The stream that a packet is of, or that it repeats; None for one of no layer."""
        ids, said = self._packets.stream_ids, packet.extensions
        rid = ids.learn(packet.ssrc, said.rtp_stream_id or said.repaired_rtp_stream_id)
        if rid is None and ids.rids:
            return None
        return self._streams.setdefault(rid, _Stream(rid))

    def _skip(self, stream: _Stream, packet: RtpPacket) -> None:
        number = stream.accept(packet)
        if number is not None and stream.input is not None:
            stream.input.skip(number)

    def _unwrap(
        self, stream: _Stream, packet: RtpPacket, codec: RTCRtpCodecParameters
    ) -> RtpPacket | None:
        """What a packet of the retransmission stream repeats (RFC 4588, section 4)."""
        # Whose stream it is may not have been signaled: there is one source at a time.
        ssrc = self._private._RTCRtpReceiver__rtx_ssrc.get(packet.ssrc, stream.source.ssrc)
        kind = codec.parameters.get("apt")
        if len(packet.payload) < 2 or ssrc is None or not isinstance(kind, int):
            return None
        return unwrap_rtx(packet, payload_type=kind, ssrc=ssrc)

    def _open_input(self, stream: _Stream) -> SoundInput | PictureInput:
        track = self._private._track
        if stream.input is None or stream.fed is not track:
            if stream.input is not None:
                self._close_input(stream.input, _nothing)
            stream.fed, give = track, track._queue.put_nowait
            if track.kind == "audio":
                stream.input = SoundInput(self._timeline, give, self._packets)
            else:
                stream.input = PictureInput(
                    self._timeline,
                    self._gate,
                    give,
                    partial(self._ask_again, stream),
                    partial(self._ask_key, stream),
                    self._packets.layer(stream.rid),
                )
        return stream.input

    def _ask_again(self, stream: _Stream, numbers: Sequence[int]) -> None:
        if stream.source.ssrc is not None:
            # In the order that aiortc packs them in, also where the numbers wrap.
            lost = sorted(number & 0xFFFF for number in numbers)
            start_eagerly(self._private._send_rtcp_nack(stream.source.ssrc, lost))

    def _ask_key(self, stream: _Stream) -> None:
        if stream.source.ssrc is not None:
            start_eagerly(self._private._send_rtcp_pli(stream.source.ssrc))

    def _note_arrival(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        """Have the other side learn what the path carries, in the way that it has chosen."""
        number, path = packet.extensions.transport_sequence_number, path_of(self.transport)
        if number is None or path is None:
            self._estimate_bitrate(packet, arrival_time_ms)
        else:
            path.received(number, packet.ssrc, self._private._RTCRtpReceiver__rtcp_ssrc or 1)

    def _estimate_bitrate(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        estimator = self._private._RTCRtpReceiver__remote_bitrate_estimator
        sent = packet.extensions.abs_send_time
        if estimator is None or sent is None:
            return
        estimate = estimator.add(
            abs_send_time=sent,
            arrival_time_ms=arrival_time_ms,
            payload_size=len(packet.payload) + packet.padding_size,
            ssrc=packet.ssrc,
        )
        own = self._private._RTCRtpReceiver__rtcp_ssrc
        if estimate is not None and own is not None:
            feedback = RtcpPsfbPacket(
                fmt=RTCP_PSFB_APP, ssrc=own, media_ssrc=0, fci=pack_remb_fci(*estimate)
            )
            start_eagerly(self._private._send_rtcp(feedback))


class _Stream:
    """What comes of a track, or of one of its layers, and its receive buffer."""

    def __init__(self, rid: str | None):
        self.rid = rid
        self.source = ActiveSource()
        self.input: SoundInput | PictureInput | None = None
        #: The track that the input is of.
        self.fed: Any = None

    def accept(self, packet: RtpPacket) -> int | None:
        """The number of a packet of its source; None if it is to be dropped."""
        now = asyncio.get_running_loop().time()
        return self.source.accept(packet.ssrc, packet.sequence_number, now)

    def take_input(self) -> SoundInput | PictureInput | None:
        """Its receive buffer, for the last time."""
        taken, self.input = self.input, None
        return taken


def _nothing() -> None:
    pass
