"""Arrival record: when packets with transport-wide sequence numbers came, for their sender.

A pure machine: it is told of packets and the time, and gives the feedback that is due.
"""

from __future__ import annotations

from typing import Final

from .transport_feedback import MOST_STATUSES, TICK, TransportFeedback

INTERVAL: Final = 0.05
"""Seconds between two feedbacks, while packets come."""

KEPT_SECONDS: Final = 0.5
"""For so long it is known when a packet came: one that comes late has those around it told anew."""

LONGEST_STEP: Final = 0x7FFF
"""Ticks between two packets that one feedback can tell of."""

HALF: Final = 1 << 15


class ArrivalRecord:
    """What has come on one transport, and has not been told.

    Args:
        ssrc: a source of ours, in whose name feedback is given.
    """

    def __init__(self, ssrc: int):
        self._ssrc = ssrc
        self._media_ssrc = 0
        self._arrivals: dict[int, int] = {}
        self._highest: int | None = None
        #: The first number that feedback has not told of.
        self._next = 0
        #: The highest number that came, and of which the time is not known any more.
        self._forgotten = -HALF
        self._count = 0
        self._zero: float | None = None

    @property
    def has_news(self) -> bool:
        """Whether something came since the last feedback."""
        return self._highest is not None and self._next <= self._highest

    def add(self, number: int, media_ssrc: int, now: float) -> None:
        """Take note of a packet.

        Args:
            number: its transport-wide sequence number, of 16 bits.
            media_ssrc: its source.
            now: in seconds, by a clock that does not go back.
        """
        if self._zero is None:
            # Some room before it: what is told of first is not to be of a negative time.
            self._zero = now - 1
        extended = self._unwrap(number)
        if extended in self._arrivals or self._forgotten - HALF // 2 < extended <= self._forgotten:
            return
        self._media_ssrc = media_ssrc
        self._arrivals[extended] = round((now - self._zero) / TICK)
        if self._highest is None:
            self._highest = self._next = extended
        elif extended - self._highest > HALF // 2 or extended < self._highest - HALF // 2:
            # Nothing was lost in between: the other side has begun anew.
            self._arrivals = {extended: self._arrivals[extended]}
            self._highest = self._next = extended
            self._forgotten = extended - HALF
        self._highest = max(self._highest, extended)
        # It was told as missing: say now that it is not.
        self._next = min(self._next, extended)

    def _unwrap(self, number: int) -> int:
        if self._highest is None:
            return number
        return self._highest + ((number - self._highest + HALF) & 0xFFFF) - HALF

    def feedback(self, now: float) -> list[TransportFeedback]:
        """What is to be told now, in this order."""
        if self._highest is None or self._zero is None:
            return []
        told = []
        while self._next <= self._highest:
            told.append(self._one())
        oldest = round((now - self._zero - KEPT_SECONDS) / TICK)
        old = [number for number, at in self._arrivals.items() if at < oldest]
        for number in old:
            del self._arrivals[number]
        self._forgotten = max([self._forgotten, *old])
        return told

    def _one(self) -> TransportFeedback:
        assert self._highest is not None
        first = self._next
        arrivals: list[int | None] = []
        last: int | None = None
        while first + len(arrivals) <= self._highest and len(arrivals) < MOST_STATUSES:
            at = self._arrivals.get(first + len(arrivals))
            if at is not None and last is not None and abs(at - last) > LONGEST_STEP:
                break
            last = at if at is not None else last
            arrivals.append(at)
        if last is None:
            # A message tells a time. What is missing before the next that came is told with that.
            while self._next not in self._arrivals:
                self._next += 1
            return self._one()
        self._next = first + len(arrivals)
        self._count += 1
        return TransportFeedback(
            self._ssrc,
            self._media_ssrc,
            (self._count - 1) & 0xFF,
            first & 0xFFFF,
            tuple(arrivals),
        )
