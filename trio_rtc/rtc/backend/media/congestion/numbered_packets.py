"""Numbered packets: RTP packets with a transport-wide sequence number in a header extension.

A number is that of the moment of sending, whichever source a packet is of; so what is made of a
packet has a place for it, and it is written there when it goes. So is the time of sending.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from aiortc import RTCRtpSender
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap

from ...patches import can

URI: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"

ONE_BYTE: Final = 0xBEDE
FIXED: Final = 12


def number(sender: RTCRtpSender) -> None:
    """Have the packets of a sender that has not begun have a place for their numbers."""
    if can("congestion"):
        private: Any = sender
        private._RTCRtpSender__rtp_header_extensions_map = NumberedExtensions()


def is_numbered(sender: RTCRtpSender) -> bool:
    """Whether its packets have a place for their numbers."""
    private: Any = sender
    return isinstance(private._RTCRtpSender__rtp_header_extensions_map, NumberedExtensions)


class NumberedExtensions(HeaderExtensionsMap):
    """The header extensions of a sender, with a place for the number if it was negotiated."""

    def set(self, values: HeaderExtensions) -> tuple[int, bytes]:
        values.transport_sequence_number = 0
        return super().set(values)


class Places(NamedTuple):
    """Where a packet has these, from its beginning; 0: it has none."""

    number: int
    time: int


def places(packet: bytes, number_id: int, time_id: int | None) -> Places:
    """Where a packet has its number, and the time at which it is sent.

    Args:
        packet: of RTP, with header extensions in the form of one byte (RFC 8285, section 4.2).
        number_id: the id of the number.
        time_id: that of the time, if it was negotiated.
    """
    found = {number_id: 0, time_id: 0}
    at = FIXED + 4 * (packet[0] & 0xF)
    if packet[0] & 0x10 and int.from_bytes(packet[at : at + 2]) == ONE_BYTE:
        end = at + 4 + 4 * int.from_bytes(packet[at + 2 : at + 4])
        at += 4
        while at < end:
            if packet[at]:
                found[packet[at] >> 4] = at + 1
                at += packet[at] & 0xF
                at += 1
            at += 1
    return Places(found[number_id], found[time_id])


def stamped(packet: bytes, at: Places, number: int, now: float) -> bytes:
    """The packet as it is sent.

    Args:
        packet: as it was made.
        at: where it has what is written.
        number: its transport-wide sequence number.
        now: in seconds, of any clock that goes on.
    """
    data = bytearray(packet)
    data[at.number : at.number + 2] = number.to_bytes(2)
    if at.time:
        # 6.18 bits of fixed point, in seconds; they wrap.
        data[at.time : at.time + 3] = (int(now * (1 << 18)) & 0xFFFFFF).to_bytes(3)
    return bytes(data)
