"""An RTP stream of encoded packets, for who has no call: without SRTP (RFC 3550), and its SDP."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any, Final

from aiortc.codecs import get_encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket
from av.packet import Packet

from .encoded_format import EncodedFormat
from .h264 import PPS, SPS, split

_STATIC_TYPES: Final = {"PCMU": 0, "PCMA": 8, "G722": 9}
_DYNAMIC_TYPE: Final = 96
REPORT_SECONDS: Final = 5
_NTP_EPOCH: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""


class RtpStream:
    """Packets of the network, made of encoded ones.

    Args:
        encoded: what they are encoded with.
        ssrc: which source this is.
        number: the sequence number of the first packet.
        payload_type: what stands for the codec; by default 96, or what it has by itself.
    """

    def __init__(
        self, encoded: EncodedFormat, *, ssrc: int, number: int, payload_type: int | None = None
    ):
        self.encoded = encoded
        own = _STATIC_TYPES.get(encoded.name.upper(), _DYNAMIC_TYPE)
        self.payload_type = own if payload_type is None else payload_type
        self._ssrc = ssrc
        self._number = number
        self._count = self._octets = self._timestamp = 0
        self._packer: Any = get_encoder(
            RTCRtpCodecParameters(
                mimeType=f"{self._kind}/{encoded.name}", clockRate=encoded.clock_rate
            )
        )

    @property
    def _kind(self) -> str:
        return "video" if self.encoded.clock_rate == 90_000 else "audio"

    def pack(self, packet: Packet[Any]) -> Iterator[bytes]:
        """The packets of the network that an encoded one goes in."""
        payloads, timestamp = self._packer.pack(packet)
        self._timestamp = timestamp & 0xFFFFFFFF
        for place, payload in enumerate(payloads, 1):
            rtp = RtpPacket(
                payload_type=self.payload_type,
                marker=int(place == len(payloads) and self._kind == "video"),
                sequence_number=self._number,
                timestamp=self._timestamp,
                ssrc=self._ssrc,
                payload=payload,
            )
            self._number = (self._number + 1) & 0xFFFF
            self._count += 1
            self._octets += len(payload)
            yield rtp.serialize()

    def report(self, wall_clock: float) -> bytes:
        """A sender report with our name, which receivers lay streams beside each other by.

        Args:
            wall_clock: seconds since 1970, at the time of the last packet.
        """
        ntp = int((wall_clock + _NTP_EPOCH) * (1 << 32)) & ((1 << 64) - 1)
        # RFC 3550, sections 6.4.1 and 6.5: SR, then SDES with a CNAME.
        report = struct.pack(
            "!BBHIQIII", 0x80, 200, 6, self._ssrc, ntp, self._timestamp, self._count, self._octets
        )
        name = b"\x01\x08trio-rtc\0\0"
        return report + struct.pack("!BBHI", 0x81, 202, 1 + len(name) // 4, self._ssrc) + name

    def describe(self, host: str, port: int, first: Packet[Any]) -> str:
        """What a receiver has to know, as SDP (RFC 8866).

        Args:
            host: where the packets go, as an IP address.
            port: the same.
            first: the first packet, which has the parameter sets of H264.
        """
        family = "IP6" if ":" in host else "IP4"
        kind, number, encoded = self._kind, self.payload_type, self.encoded
        channels = "/2" if encoded.name.lower() == "opus" else ""
        lines = [
            *("v=0", f"o=- 0 0 IN {family} {host}", "s=trio-rtc", f"c=IN {family} {host}", "t=0 0"),
            f"m={kind} {port} RTP/AVP {number}",
            f"a=rtpmap:{number} {encoded.name}/{encoded.clock_rate}{channels}",
        ]
        if encoded.profile_level_id is not None:
            sets = [unit for unit in split(bytes(first)) if unit[0] & 0x1F in (SPS, PPS)]
            sprop = ",".join(base64.b64encode(unit).decode() for unit in sets)
            lines.append(
                f"a=fmtp:{number} packetization-mode=1;"
                f"profile-level-id={encoded.profile_level_id};sprop-parameter-sets={sprop}"
            )
        return "".join(f"{line}\r\n" for line in lines)
