"""Path MTU discovery by probing (RFC 8899), for packets of data channels. No I/O.

aiortc 1.16 sends 1 189 bytes at most, which fit everywhere. A probe is a packet of the size in
question that nobody on its way may fragment: a HEARTBEAT, which asks for an answer, and padding
(section 6.2.1.2 and RFC 8261, section 5). Only an answer counts, for nobody need tell of a packet
that is too large.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from aiortc.rtcsctptransport import SCTP_MAX_PACKET_LENGTH, Chunk, HeartbeatChunk

from ..dtls.records import LONGEST

BASE: Final = SCTP_MAX_PACKET_LENGTH
"""Bytes of a packet that every path carries, by aiortc's reckoning."""

LINKS: Final = (1420, 1500, 9000, 65_536)
"""MTUs that are usual, in bytes of IP: of WireGuard, Ethernet, its jumbo frames, and loopback."""

OVERHEAD: Final = 40 + 8 + 37
"""Bytes of IPv6, UDP, and DTLS with AES-GCM around a packet. With more than that, as some cipher
suites have, a probe does not fit, and one that is smaller counts."""

SIZES: Final = tuple(min(link - OVERHEAD, LONGEST) // 4 * 4 for link in LINKS)
"""What is probed for, in bytes of SCTP."""

MAX_PROBES: Final = 3
"""How often a size is probed for before it counts as too large (RFC 8899, section 5.1.2)."""

PROBE_SECONDS: Final = 1.0
"""How long an answer may take: aiortc's RTO is no shorter."""

BLACK_HOLE: Final = 6
"""Small packets that have to arrive, each after a timeout of a large one, before that counts as
what the path does not take any more. It has been sent as often then, for 10 s or so."""

RAISE_SECONDS: Final = 600.0
"""After which what was too large is probed for again (PMTU_RAISE_TIMER, section 5.1.1)."""

_HEARTBEAT_INFO: Final = 1
_INFO: Final = struct.Struct("!LL")
_HEADERS: Final = 12 + 4 + 4 + _INFO.size + 4
"""Bytes of a probe but for its padding: of the packet, the HEARTBEAT, its information, and PAD."""


class PadChunk(Chunk):
    """What whoever receives it passes over (RFC 4820); so does one who does not know it."""

    type = 0x84


class PathMtu:
    """What is known of a path.

    Attributes:
        largest: bytes of SCTP that a packet may have.
        limit: bytes of SCTP that the other side takes in one; nothing is probed for beyond.
        small_answered: small packets that have arrived while a large one did not.
    """

    def __init__(self) -> None:
        self.largest = BASE
        self.limit = 0
        self.small_answered = 0
        self._round = 0
        self._valid_from = 0
        self._left = MAX_PROBES

    def forget(self) -> None:
        """Begin anew: something was lost, and it may have been for its size (section 4.3)."""
        self.largest = BASE
        self._valid_from = self._round
        self._left = MAX_PROBES

    def probe(self) -> tuple[list[tuple[Chunk, Chunk]], float | None]:
        """The probes to be sent now, and the seconds until this is to be called again, if it is."""
        sizes = [size for size in SIZES if self.largest < size <= self.limit]
        if not sizes:
            return [], None
        probes: list[tuple[Chunk, Chunk]] = []
        for size in sizes:
            heartbeat = HeartbeatChunk()
            heartbeat.params = [(_HEARTBEAT_INFO, _INFO.pack(self._round, size))]
            probes.append((heartbeat, PadChunk(body=bytes(size - _HEADERS))))
        self._round += 1
        self._left -= 1
        if self._left:
            return probes, PROBE_SECONDS
        self._left = 1
        return probes, RAISE_SECONDS

    def ask_small(self) -> Chunk:
        """A probe that every path takes: whether it is the size of what is lost."""
        heartbeat = HeartbeatChunk()
        heartbeat.params = [(_HEARTBEAT_INFO, _INFO.pack(self._round, 0))]
        return heartbeat

    def acknowledge(self, parameters: Iterable[tuple[int, bytes]]) -> None:
        """Take what an answer carries. What does not make sense is none of a probe of ours."""
        for kind, info in parameters:
            if kind == _HEARTBEAT_INFO and len(info) == _INFO.size:
                number, size = _INFO.unpack(info)
                if not size:
                    self.small_answered += 1
                elif self._valid_from <= number < self._round and size in SIZES:
                    self.largest = max(self.largest, size)
