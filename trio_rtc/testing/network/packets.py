"""A packet of a simulated network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from ...world import Address
from .steady_sizes import steady_length

Protocol = Literal["udp", "tcp"]

_IP_HEADER: Final = (20, 40)
_HEADER: Final = {"udp": 8, "tcp": 20}


@dataclass(frozen=True, slots=True)
class TcpSegment:
    """What TCP says in a packet (RFC 9293), as far as it matters here.

    Attributes:
        flags: of ``S`` (SYN), ``A`` (ACK), ``F`` (FIN), ``R`` (RST).
        sequence: the place of the first byte, counted from 0 and without an end; SYN and FIN
            have a place each.
        acknowledged: the place of the next byte that is expected.
        window: bytes that there is room for.
    """

    flags: str
    sequence: int = 0
    acknowledged: int = 0
    window: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet on its way.

    Attributes:
        source: address and port where it comes from, as routers have made it so far.
        destination: where it goes to.
        protocol: ``udp`` or ``tcp``.
        data: of the datagram; for TCP of the segment.
        segment: for TCP.
        may_fragment: whether IP may divide it.
        origin: the name of the host that it comes from.
    """

    source: Address
    destination: Address
    protocol: Protocol
    data: bytes
    segment: TcpSegment | None = None
    may_fragment: bool = True
    origin: str = ""

    @property
    def size(self) -> int:
        """Bytes, the headers included."""
        header = _IP_HEADER[":" in self.destination[0]] + _HEADER[self.protocol]
        return header + self.length

    @property
    def length(self) -> int:
        """Bytes of its data. The same for each signature that could be in them."""
        return steady_length(self.data, is_stream=self.protocol == "tcp")

    def readdressed(self, source: Address, destination: Address) -> Packet:
        """The same from and to elsewhere."""
        return replace(self, source=source, destination=destination)

    def __str__(self) -> str:
        return f"{self.protocol} {show(self.source)} > {show(self.destination)} {describe(self)}"


def show(address: Address) -> str:
    """An address as people write it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def describe(packet: Packet) -> str:
    """What is in a packet, in a word or two: nothing that is left to chance alone."""
    if packet.segment is not None:
        names = {"S": "SYN", "A": "ACK", "F": "FIN", "R": "RST"}
        flags = "+".join(names[flag] for flag in packet.segment.flags if flag != "A") or "ACK"
        return f"{flags} {packet.length} bytes" if packet.data else flags
    return f"{kind_of(packet.data)} {packet.size} bytes"


_DTLS: Final = {20: "change cipher spec", 21: "alert", 22: "handshake", 23: "data"}
_STUN: Final = {
    (1, 0): "binding request", (1, 1): "binding indication", (1, 2): "binding response",
    (1, 3): "binding error", (3, 0): "allocate request", (3, 2): "allocate response",
    (3, 3): "allocate error", (4, 0): "refresh request", (4, 2): "refresh response",
    (6, 1): "send indication", (7, 1): "data indication", (8, 0): "permission request",
    (8, 2): "permission response", (9, 0): "channel request", (9, 2): "channel response",
}  # fmt: skip


def kind_of(data: bytes) -> str:
    """What a datagram is, by its first bytes (RFC 7983)."""
    if len(data) < 4:
        return "udp"
    first = data[0]
    if first <= 3 and len(data) >= 20:
        word = int.from_bytes(data[:2])
        kind = (word >> 7 & 2) | (word >> 4 & 1)
        method = (word & 0xF) | (word >> 1 & 0x70) | (word >> 2 & 0xF80)
        return f"STUN {_STUN.get((method, kind), 'message')}"
    if 20 <= first <= 63:
        return f"DTLS {_DTLS.get(first, 'record')}"
    if 64 <= first <= 79:
        return "TURN channel data"
    if 128 <= first <= 191:
        return "RTCP" if 64 <= data[1] & 0x7F <= 95 else "RTP"
    return "udp"
