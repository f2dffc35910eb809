"""Encoded packets: a picture, or a piece of sound, with its time."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.frame import Frame
from av.packet import Packet


def make_packet(data: bytes, time: int, rate: int, *, is_key: bool, length: int = 0) -> Packet[Any]:
    """A packet of the program's own.

    Args:
        data: what is encoded.
        time: when it is to be seen or heard, in ticks.
        rate: ticks per second.
        is_key: whether it can be decoded without what was before it.
        length: of sound, in ticks.
    """
    packet: Packet[Any] = Packet(data)
    packet.pts = packet.dts = time
    packet.time_base = Fraction(1, rate)
    packet.duration = length
    packet.is_keyframe = is_key
    return packet


def copy_of_packet(packet: Packet[Any]) -> Packet[Any]:
    """The same for somebody else, who may do with it what they want."""
    copy: Packet[Any] = Packet(bytes(packet))
    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
    copy.duration, copy.is_keyframe = packet.duration, packet.is_keyframe
    return copy


def time_of(data: Frame | Packet[Any]) -> float:
    """When a frame, or a packet, is to be seen or heard, in seconds."""
    if isinstance(data, Packet):
        return float((data.pts or 0) * data.time_base)
    return data.time or 0.0


def goes_on(data: Frame | Packet[Any]) -> bool:
    """Whether it cannot be decoded without what was before it."""
    return isinstance(data, Packet) and not data.is_keyframe
