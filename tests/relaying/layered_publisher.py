"""A publisher in three layers, as a browser is one: its packets, without pictures in them.

Our own sender makes one encoding of a track. So the offer of a call gets the lines of a simulcast,
and the packets are written to its transport, whose keyframe requests and NACKs are answered.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from itertools import count
from typing import Any, Final

import pytest
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters as Extension
from aiortc.rtcrtpparameters import RTCRtpParameters
from aiortc.rtp import (
    RTCP_PSFB_PLI,
    AnyRtcpPacket,
    HeaderExtensionsMap,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtpPacket,
    wrap_rtx,
)
from msgspec.structs import replace

from trio_rtc.calls.call import Call
from trio_rtc.rtc.backend.jsep.simulcast import REPAIRED_URI, RID_URI
from trio_rtc.rtc.peer_connection import PeerConnection
from trio_rtc.wire.messages import SessionDescription

MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
RATE: Final = 10
#: Width and height of each layer, and what it takes, in bits a second.
LAYERS: Final = {
    "h": ((1280, 720), 500_000),
    "m": ((640, 360), 200_000),
    "l": ((320, 180), 60_000),
}
LINES: Final = (
    f"a=extmap:10 {RID_URI}\r\na=extmap:11 {REPAIRED_URI}\r\n"
    + "".join(f"a=rid:{rid} send\r\n" for rid in LAYERS)
    + f"a=simulcast:send {';'.join(LAYERS)}\r\n"
)


def offer_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all who offer to send pictures, and to receive none, offer three layers of them."""
    describe = PeerConnection.set_local_description

    async def describe_layers(self: PeerConnection, *args: Any) -> SessionDescription:
        found = await describe(self, *args)
        if found.type != "offer":
            return found
        parts = re.split(r"(?=^m=)", found.sdp, flags=re.M)
        layered = [
            part + LINES if part.startswith("m=video") and "a=sendonly" in part else part
            for part in parts
        ]
        return replace(found, sdp="".join(layered))

    monkeypatch.setattr(PeerConnection, "set_local_description", describe_layers)


async def send_layers(call: Call) -> None:
    """Send the layers of the first track of a call of which an answer has come; never returns."""
    connection: Any = call._connection
    section = connection._loop_connection._pc.getTransceivers()[0]
    await connection._bridge.run(_Layers(section).run)


class _Layers:
    def __init__(self, section: Any):
        self._transport: RTCDtlsTransport = section.sender.transport
        self._payload_type = section._codecs[0].payloadType
        self._rtx_type = next(
            codec.payloadType
            for codec in section._codecs
            if codec.parameters.get("apt") == self._payload_type
        )
        self._extensions = HeaderExtensionsMap()
        uris = {1: MID_URI, 10: RID_URI, 11: REPAIRED_URI}
        self._extensions.configure(
            RTCRtpParameters(headerExtensions=[Extension(id=n, uri=u) for n, u in uris.items()])
        )
        self._mid = section.mid
        self._layers = [
            _Layer(self, rid, 1000 * number, size, rate)
            for number, (rid, (size, rate)) in enumerate(LAYERS.items(), 1)
        ]

    async def run(self) -> None:
        for layer in self._layers:
            self._transport._rtp_router.register_sender(layer, layer.ssrc)
        with suppress(ConnectionError):  # That is how it ends.
            for number in count():
                for layer in self._layers:
                    await layer.send_picture(number)
                await asyncio.sleep(1 / RATE)

    async def send(self, packet: RtpPacket) -> None:
        packet.extensions.mid = self._mid
        await self._transport._send_rtp(packet.serialize(self._extensions))

    def packet(self, number: int, timestamp: int, ssrc: int, payload: bytes) -> RtpPacket:
        packet = RtpPacket(
            payload_type=self._payload_type, sequence_number=number, timestamp=timestamp
        )
        packet.ssrc, packet.payload = ssrc, payload
        return packet

    async def repeat(self, packet: RtpPacket, number: int) -> None:
        again = wrap_rtx(
            packet, payload_type=self._rtx_type, sequence_number=number, ssrc=packet.ssrc + 1
        )
        again.extensions.repaired_rtp_stream_id = packet.extensions.rtp_stream_id
        again.extensions.rtp_stream_id = None
        await self.send(again)


class _Layer:
    """One of them; it says who it is in its first second only, as a browser does.

    Its timestamps have a base of their own.
    """

    def __init__(self, whole: _Layers, rid: str, ssrc: int, size: tuple[int, int], rate: int):
        self._whole = whole
        self._rid = rid
        self.ssrc = self._ssrc = ssrc
        self._size = size
        self._bytes = rate // 8 // RATE
        self._number = 7 * ssrc
        self._repeated = 0
        self._sent: dict[int, RtpPacket] = {}
        self._wants_key = True

    async def send_picture(self, number: int) -> None:
        key, self._wants_key = self._wants_key, False
        left = (4 if key else 1) * self._bytes
        begins = True
        while left > 0:
            size = min(left, 1100)
            left -= size
            data = self._header(key=key) if begins else b""
            # A descriptor of one byte: whether a picture begins (RFC 7741, section 4.2).
            payload = bytes([0x10 if begins else 0]) + data.ljust(size, b"\xa5")
            begins = False
            packet = self._whole.packet(
                self._number & 0xFFFF,
                ((90_000 // RATE) * number + 77 * self.ssrc),
                self.ssrc,
                payload,
            )
            packet.marker = int(left <= 0)
            packet.extensions.rtp_stream_id = self._rid
            self._sent[packet.sequence_number] = packet
            self._sent.pop((self._number - 1000) & 0xFFFF, None)
            self._number += 1
            if number > RATE:
                packet.extensions.rtp_stream_id = None
            await self._whole.send(packet)

    def _header(self, *, key: bool) -> bytes:
        if not key:
            return b"\x31\0\0"
        width, height = self._size
        return b"\x30\0\0\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_PLI:
            self._wants_key = True
        elif isinstance(packet, RtcpRtpfbPacket):
            for number in packet.lost:
                if number in self._sent:
                    self._repeated += 1
                    self._sent[number].extensions.rtp_stream_id = self._rid
                    await self._whole.repeat(self._sent[number], self._repeated)
