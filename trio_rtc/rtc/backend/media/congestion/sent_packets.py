"""Sent packets: transport-wide sequence numbers of what we send, and what became of it.

A pure machine: it is told of packets, of feedback, and the time.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from .transport_feedback import REFERENCE_BITS, REFERENCE_TICKS, TICK, TransportFeedback

KEPT_SECONDS: Final = 10.0
"""After so long nobody tells of a packet any more."""

_HALF: Final = 1 << 15
_CLOCK: Final = (1 << REFERENCE_BITS) * REFERENCE_TICKS
"""Ticks after which the clock of feedback begins again."""


class PacketResult(NamedTuple):
    """What became of a packet.

    Attributes:
        sent: when it was sent, in seconds of our clock.
        size: its bytes.
        arrived: when it arrived, in seconds of the other side's clock; None if it was lost.
        was_lost: whether it was told as lost before.
    """

    sent: float
    size: int
    arrived: float | None
    was_lost: bool = False


class SentPackets:
    """Packets of one transport that the other side has not told of, and the lost ones."""

    def __init__(self) -> None:
        self._next = 0
        # A dict takes longer and longer to find its first, where what came before it was removed.
        self._packets: OrderedDict[int, PacketResult] = OrderedDict()
        self._clock = 0
        self._has_clock = False

    def __len__(self) -> int:
        return len(self._packets)

    def add(self, size: int, now: float) -> int:
        """Take note of a packet that is sent now; its number, of 16 bits."""
        number = self._next
        self._packets[number] = PacketResult(now, size, None)
        self._next += 1
        while (oldest := next(iter(self._packets))) < number - _HALF or (
            self._packets[oldest].sent < now - KEPT_SECONDS
        ):
            del self._packets[oldest]
        return number & 0xFFFF

    def take(self, feedback: TransportFeedback) -> list[PacketResult]:
        """What feedback tells that was not known, in the order of sending."""
        first = self._next - ((self._next - feedback.first) & 0xFFFF)
        results = []
        for number, ticks in enumerate(feedback.arrivals, first):
            packet = self._packets.get(number)
            if ticks is not None:
                arrived = self._seconds(ticks)
            if packet is None:
                continue
            if ticks is not None:
                del self._packets[number]
                results.append(packet._replace(arrived=arrived))
            elif not packet.was_lost:
                # It may have been overtaken: if so, later feedback says that it came.
                self._packets[number] = packet._replace(was_lost=True)
                results.append(packet)
        return results

    def _seconds(self, ticks: int) -> float:
        """The time of a clock that wraps, as one that does not."""
        if not self._has_clock:
            self._has_clock = True
            self._clock = ticks
        step = (ticks - self._clock + _CLOCK // 2) % _CLOCK - _CLOCK // 2
        self._clock += step
        return self._clock * TICK
