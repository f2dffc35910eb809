"""The receive buffer of pictures: a picture leaves it when its last packet is there.

That is the one with the marker bit (RFC 7741, section 4.1; RFC 6184, section 5.1), or the one
before another timestamp, or of a sender that sets no such bit the last one for a while. A picture
waits for packets of it, and of those before it, that may be sent again; if they do not come, all up
to the next one that stands by itself is left out, as it cannot be decoded without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FLUSH_SECONDS: Final = 0.1
"""After so long without a packet, a picture is taken for complete if its sender sets no markers."""

TAIL_SECONDS: Final = 1.0
"""After so long the rest of a picture counts as lost, though nothing behind it shows that."""

KEY_SECONDS: Final = 0.2
"""How long packets are missing before a picture is asked for that does not need them."""

SKIP_SECONDS: Final = 0.1
"""How long they are missing before such a picture, if it is there, is gone on with."""

PATIENCE_SECONDS: Final = 3.0
"""How long such a picture is waited for: a few senders never make one, and mend it bit by bit."""

RESET_PACKETS: Final = 3000
"""A step of the numbers that is no loss any more, but another beginning."""

MOST_PACKETS: Final = 4096


@dataclass(frozen=True, slots=True)
class PicturePacket:
    """A packet of a picture.

    Attributes:
        number: its sequence number, without wraps.
        data: that of the picture; none in a packet for padding, or of another type.
        begins: whether a picture can begin with it, and `is_key` one that stands by itself.
        is_broken: whether it cannot be read.
    """

    number: int
    timestamp: int
    marker: bool
    data: bytes
    begins: bool = False
    is_key: bool = False
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be decoded."""

    timestamp: int
    data: bytes
    is_key: bool


class PictureBuffer:
    """Packets of one track, from when they come to when their picture is complete."""

    def __init__(self) -> None:
        self._packets: dict[int, PicturePacket] = {}
        #: The next packet to be looked at, and those of its picture before it.
        self._next: int | None = None
        self._pieces: list[PicturePacket] = []
        self._highest = -1
        self._arrived = 0.0
        self._looked = 0.0
        self._blocked_since: float | None = None
        self._waits_since: float | None = None
        self._began = False
        #: Whether the last picture had no marker. Of one that is to have one, what has come late
        #: is still to come: to cut a keyframe off is to ask for the next, which is as large.
        self._lacks_markers = False

    @property
    def waits_for_key(self) -> bool:
        """Whether what comes cannot be decoded before a picture that stands by itself."""
        return self._waits_since is not None

    @property
    def begins_at(self) -> int:
        """The number of the first packet that is not done with."""
        return self._next or 0

    def wants_key(self, now: float) -> bool:
        """Whether a picture that stands by itself is to be asked for."""
        if self.waits_for_key:
            return True
        if self._blocked_since is not None:
            return now >= self._blocked_since + KEY_SECONDS
        return bool(self._pieces) and now >= self._arrived + TAIL_SECONDS

    @property
    def due(self) -> float | None:
        """When to look again though nothing comes."""
        times = []
        if self._blocked_since is not None:
            times = [self._blocked_since + s for s in (SKIP_SECONDS, KEY_SECONDS, PATIENCE_SECONDS)]
        elif self._pieces:
            times = [self._arrived + (FLUSH_SECONDS if self._lacks_markers else TAIL_SECONDS)]
        later = [time for time in times if time > self._looked]
        return min(later, default=None)

    def add(self, packet: PicturePacket, now: float) -> list[Picture]:
        """Take a packet; the pictures that are complete with it."""
        if self._next is None:
            self._next = packet.number
            self._waits_since = now
        elif abs(packet.number - self._next) > RESET_PACKETS or len(self._packets) > MOST_PACKETS:
            self._begin_at(packet.number, now)
        elif packet.number < self._next:
            if self._began:
                return []
            # It is not the first one that came first.
            self._packets |= {piece.number: piece for piece in self._pieces}
            self._next, self._pieces = packet.number, []
        self._packets.setdefault(packet.number, packet)
        self._highest = max(self._highest, packet.number)
        self._arrived = now
        return self.take(now)

    def take(self, now: float) -> list[Picture]:
        """The pictures that are complete by now."""
        self._looked = now
        pictures: list[Picture] = []
        if self._next is not None:
            self._assemble(pictures, now)
        while self._blocked_since is not None and self._skip(now):
            self._assemble(pictures, now)
        return pictures

    def flush(self, now: float) -> list[Picture]:
        """What is complete, for nothing more comes for now."""
        pictures = self.take(now)
        if self._pieces and self._blocked_since is None:
            self._finish(pictures, now)
        return pictures

    def _assemble(self, pictures: list[Picture], now: float) -> None:
        assert self._next is not None
        while (packet := self._packets.get(self._next)) is not None:
            if self._pieces and packet.data and packet.timestamp != self._pieces[0].timestamp:
                self._lacks_markers = True
                self._finish(pictures, now)
            del self._packets[self._next]
            self._next += 1
            if packet.data or packet.is_broken:
                self._pieces.append(packet)
            if packet.marker and self._pieces:
                self._lacks_markers = False
                self._finish(pictures, now)
        if not self._packets:
            self._blocked_since = None
            if self._pieces and self._lacks_markers and now >= self._arrived + FLUSH_SECONDS:
                self._finish(pictures, now)
        elif self._blocked_since is None:
            self._blocked_since = now

    def _finish(self, pictures: list[Picture], now: float) -> None:
        pieces, self._pieces = self._pieces, []
        self._blocked_since = None
        self._began = True
        is_key = any(piece.is_key for piece in pieces)
        is_whole = pieces[0].begins and not any(piece.is_broken for piece in pieces)
        if self._waits_since is not None:
            patient = now < self._waits_since + PATIENCE_SECONDS
            if not is_whole or (patient and not is_key):
                return
            self._waits_since = None
        elif not is_whole:
            self._waits_since = now
            return
        data = b"".join(piece.data for piece in pieces)
        pictures.append(Picture(pieces[0].timestamp, data, is_key))

    def _skip(self, now: float) -> bool:
        """Go on behind what is missing, if it is time."""
        assert self._blocked_since is not None
        assert self._next is not None
        blocked = now - self._blocked_since
        if blocked >= SKIP_SECONDS and (key := self._find_key()) is not None:
            self._leave_out(key, now)
            return True
        if blocked >= PATIENCE_SECONDS:
            broken = self._pieces[0].timestamp if self._pieces else None
            behind = [n for n, p in self._packets.items() if p.timestamp != broken or p.marker]
            self._leave_out(min(behind, default=self._highest + 1), now)
            # It has been waited for already.
            self._waits_since = now - PATIENCE_SECONDS
            return True
        return False

    def _find_key(self) -> int | None:
        """The first packet of the next picture that is complete and stands by itself."""
        for number in sorted(n for n, packet in self._packets.items() if packet.is_key):
            start = number
            timestamp = self._packets[number].timestamp
            while (before := self._packets.get(start - 1)) and before.timestamp == timestamp:
                if before.marker:
                    break
                start -= 1
            if self._packets[start].begins and self._is_complete(number, timestamp):
                return start
        return None

    def _is_complete(self, number: int, timestamp: int) -> bool:
        while (packet := self._packets.get(number)) is not None:
            if packet.timestamp != timestamp or packet.marker:
                return True
            number += 1
        return False

    def _leave_out(self, number: int, now: float) -> None:
        """Forget all before a packet."""
        self._packets = {n: packet for n, packet in self._packets.items() if n >= number}
        self._next, self._pieces = number, []
        self._blocked_since = None
        self._waits_since = now

    def _begin_at(self, number: int, now: float) -> None:
        """Begin again with another source, or behind what is lost for good."""
        self._leave_out(number, now)
        self._packets.clear()
        self._highest, self._began, self._lacks_markers = number, False, False

    def wait_for_key(self, now: float) -> None:
        """Leave out what builds on a picture that could not be decoded."""
        if self._waits_since is None:
            self._waits_since = now
