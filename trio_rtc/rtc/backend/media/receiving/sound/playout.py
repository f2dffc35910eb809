"""The receive buffer of sound: what is played when, and what stands for a packet that is lost.

A packet is due when its playout delay is over (`delay`). One that is missing then is concealed, if
a later one is there to show that it is lost; if none is, it may still come, and is played late
rather than never: nothing waits for it in vain. Where the time goes on without a missing
number, the sender has paused (discontinuous transmission).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .delay import PlayoutDelay

CONCEALED_SECONDS: Final = 0.12
"""What is made up at most for one loss; what is missing beyond that is a pause."""

RESET_PACKETS: Final = 500
"""A step of the numbers that is no loss any more, but another beginning."""

MOST_PACKETS: Final = 500
"""How many are kept at most: 10 s."""

DTX_BYTES: Final = 2
"""The length of an Opus packet that says that a pause begins or goes on (RFC 6716, section 3.1)."""


@dataclass(frozen=True, slots=True)
class SoundPacket:
    """A packet of sound.

    Attributes:
        number: its sequence number, without wraps.
        time: of its first sample, in ticks.
        length: of its sound, in ticks.
    """

    number: int
    time: int
    length: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Concealment:
    """What to make up, instead of a packet that is lost.

    Attributes:
        following: the packet after it, if that is there: it may have a copy of what is lost.
    """

    time: int
    length: int
    following: SoundPacket | None


class PlayoutBuffer:
    """Packets of one track, from when they come to when they are due.

    Args:
        rate: ticks per second of the track's clock.

    Attributes:
        delay: how long packets are kept.
    """

    def __init__(self, rate: int):
        self.delay = PlayoutDelay()
        self._rate = rate
        self._packets: dict[int, SoundPacket] = {}
        self._silent: set[int] = set()
        self._next: int | None = None
        #: The number of the last one that was played, or made up.
        self._played: int | None = None
        self._last: SoundPacket | None = None
        self._end = 0
        self._concealed = 0

    def add(self, packet: SoundPacket, now: float) -> list[SoundPacket | Concealment]:
        """Keep a packet; what has to be played before it where it is another beginning."""
        played: list[SoundPacket | Concealment] = []
        if self._is_over(packet):
            return played
        reference = min(self._packets, default=packet.number) if self._next is None else self._next
        if abs(packet.number - reference) > RESET_PACKETS:
            played = self.flush()
        self.delay.observe(packet.time / self._rate, now)
        if self._next is None or packet.number >= self._next:
            self._packets.setdefault(packet.number, packet)
        if len(self._packets) > MOST_PACKETS:
            played += self.flush()
        return played

    def _is_over(self, packet: SoundPacket) -> bool:
        """Whether it is of before all was played, or of long before: it is no other beginning."""
        if self._played is None or packet.number > self._played:
            return False
        return self._next is None or packet.number < self._next - RESET_PACKETS

    def skip(self, number: int) -> None:
        """Wait for no sound in a packet, which was none."""
        if self._next is not None and self._next <= number <= self._next + RESET_PACKETS:
            self._silent.add(number)
            self._skip_silent()

    def _skip_silent(self) -> None:
        while self._next in self._silent:
            self._silent.discard(self._next)
            self._next += 1

    @property
    def due(self) -> float | None:
        """When there is something to play; None before another packet has come."""
        if not self._packets:
            return None
        first = self._packets[min(self._packets)]
        return self.delay.due((self._end if self._is_lost(first) else first.time) / self._rate)

    def _is_lost(self, first: SoundPacket) -> bool:
        """Whether what is to be played next is a concealment."""
        return (
            self._next is not None
            and first.number > self._next
            and self._last is not None
            and self._concealed < CONCEALED_SECONDS * self._rate
            and self._end + self._last.length // 2 < first.time
        )

    def take(self, now: float) -> list[SoundPacket | Concealment]:
        """What is due by now, in its order."""
        played: list[SoundPacket | Concealment] = []
        while (due := self.due) is not None and due <= now:
            played.append(self._take_next())
        return played

    def flush(self) -> list[SoundPacket | Concealment]:
        """All there is, for nothing more comes, or something else does."""
        played = []
        while self._packets:
            played.append(self._take_next())
        self._next = self._last = None
        self._silent.clear()
        self.delay = PlayoutDelay()
        return played

    def _take_next(self) -> SoundPacket | Concealment:
        first = self._packets[min(self._packets)]
        if self._last is not None and self._next is not None and self._is_lost(first):
            self._played = self._next
            self._next += 1
            self._skip_silent()
            length = min(self._last.length, first.time - self._end)
            following = first if self._next == first.number else None
            concealment = Concealment(self._end, length, following)
            self._concealed += length
            self._end += length
            return concealment
        del self._packets[first.number]
        self._played = first.number
        self._next = first.number + 1
        self._silent = {number for number in self._silent if number > first.number}
        self._skip_silent()
        self._concealed = 0
        # After a pause has begun, nothing is missing before the sound that ends it.
        self._last = first if len(first.payload) > DTX_BYTES else None
        self._end = first.time + first.length
        return first
