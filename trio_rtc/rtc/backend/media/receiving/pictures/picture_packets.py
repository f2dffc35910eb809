"""RTP payload descriptors of pictures, by codec (RFC 7741, section 4.2; RFC 6184, section 5)."""

from __future__ import annotations

from typing import Final

from aiortc.codecs.h264 import H264PayloadDescriptor
from aiortc.codecs.vpx import VpxPayloadDescriptor

SLICE: Final = 1
KEY_SLICE: Final = 5
PARAMETERS: Final = 7
"""NAL units of H.264: a slice, one of a picture that stands by itself, what comes before that."""

AGGREGATION: Final = 24
FRAGMENT: Final = 28

BIDIRECTIONAL: Final = 1
"""A type of slice whose picture may be shown before one that is decoded earlier."""


def parse(codec: str, payload: bytes) -> tuple[bytes, bool, bool]:
    """The data of a packet, whether a picture begins with it, and whether that stands by itself.

    Raises:
        ValueError: it cannot be read.
    """
    if codec == "VP8":
        descriptor, data = VpxPayloadDescriptor.parse(payload)
        begins = bool(descriptor.partition_start) and descriptor.partition_id == 0
        # The lowest bit of the first byte is 0 in a key frame (RFC 6386, section 9.1).
        return data, begins, begins and bool(data) and not data[0] & 1
    if codec == "H264":
        unit, data = H264PayloadDescriptor.parse(payload)
        return data, unit.first_fragment, bool({KEY_SLICE, PARAMETERS} & _unit_types(payload))
    return payload, True, True


def _unit_types(payload: bytes) -> set[int]:
    kind = payload[0] & 0x1F
    if kind == FRAGMENT:
        return {payload[1] & 0x1F} if payload[1] & 0x80 else set()
    if kind != AGGREGATION:
        return {kind}
    found, place = set(), 1
    while place + 2 < len(payload):
        found.add(payload[place + 2] & 0x1F)
        place += 2 + int.from_bytes(payload[place : place + 2])
    return found


def may_precede(codec: str, data: bytes) -> bool:
    """Whether a picture may be shown before the one in front of it: it is of B slices."""
    if codec != "H264":
        return False
    place = data.find(b"\0\0\1")
    while place >= 0 and place + 4 < len(data):
        kind = data[place + 3] & 0x1F
        if kind == KEY_SLICE:
            return False
        if kind == SLICE:
            return _slice_type(data[place + 4 : place + 12]) % 5 == BIDIRECTIONAL
        place = data.find(b"\0\0\1", place + 3)
    return False


def _slice_type(header: bytes) -> int:
    """The second number of a slice header, in Exp-Golomb code (H.264, sections 7.3.3 and 9.1)."""
    bits = f"{int.from_bytes(header):0{8 * len(header)}b}"
    for _ in range(2):
        zeros = len(bits) - len(bits.lstrip("0"))
        value = int(bits[zeros : 2 * zeros + 1] or "0", 2) - 1
        bits = bits[2 * zeros + 1 :]
    return value
