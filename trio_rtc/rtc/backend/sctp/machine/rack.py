"""RACK (RFC 8985) for SCTP: which chunks are lost, by the time since they were sent.

Three acknowledgements of what was sent later (RFC 9260, section 7.2.4) take reordering for loss,
and find no lost retransmission.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from .outbound import IN_FLIGHT, OutboundChunk
from .rtt import RoundTrips

MAX_STEPS: Final = 64
"""How far the window for reordering can grow, in quarters of the shortest trip. It is never more
than a whole usual trip."""

PATIENCE: Final = 16
"""Recoveries without a needless retransmission, after which the window is small again."""


class LossDetection:
    """Looks at what is on its way in the order in which it was sent.

    Args:
        trips: the round trips of the path.

    Attributes:
        order: how many chunks have been sent.
    """

    def __init__(self, trips: RoundTrips):
        self._trips = trips
        self._departed: deque[tuple[int, OutboundChunk]] = deque()
        self.order = 0
        self._steps = 1
        self._patience = 0
        self._newest = -1
        self._newest_trip = 0.0
        self._raised_at = 0

    def sent(self, chunk: OutboundChunk, now: float) -> None:
        self.order += 1
        chunk.order = self.order
        chunk.sent_at = now
        chunk.transmissions += 1
        self._departed.append((self.order, chunk))

    def acknowledged(self, chunk: OutboundChunk, now: float) -> bool:
        """Take one that has arrived; return whether its last transmission was needless.

        It was if it has not had the time to arrive.
        """
        trip = now - chunk.sent_at
        if chunk.transmissions > 1 and trip < self._trips.shortest * 0.9:
            return True
        if chunk.order > self._newest:
            self._newest = chunk.order
            self._newest_trip = trip
        return False

    def needless(self, order: int) -> None:
        """A transmission was: wait longer for the next, one step in a round trip."""
        if order > self._raised_at:
            self._raised_at = self.order
            self._steps = min(self._steps + 1, MAX_STEPS)
            self._patience = PATIENCE

    def recovered(self) -> None:
        """All is repaired that was lost."""
        self._patience -= 1
        if self._patience <= 0:
            self._steps = 1

    def window(self) -> float:
        """Seconds by which a chunk may come after one that was sent later."""
        usual = self._trips.smoothed
        if usual is None:
            return 0.0
        return min(self._steps * self._trips.shortest / 4, usual)

    def find(self, now: float) -> tuple[list[OutboundChunk], float | None]:
        """What is lost by now, and when to look again, if there is anything that may be lost."""
        lost: list[OutboundChunk] = []
        departed = self._departed
        allowed: float | None = None
        while departed:
            order, chunk = departed[0]
            if chunk.order != order or chunk.state != IN_FLIGHT:
                departed.popleft()
                continue
            if order >= self._newest:
                break
            if allowed is None:
                allowed = self._newest_trip + self.window()
            if chunk.sent_at + allowed > now:
                return lost, chunk.sent_at + allowed
            departed.popleft()
            lost.append(chunk)
        return lost, None

    def expire(self, now: float) -> list[OutboundChunk]:
        """What a timeout takes for lost: the oldest, and what is no younger (section 6.3)."""
        lost: list[OutboundChunk] = []
        allowed = self._newest_trip + self.window()
        while self._departed:
            order, chunk = self._departed[0]
            if chunk.order == order and chunk.state == IN_FLIGHT:
                if lost and chunk.sent_at + allowed > now:
                    break
                lost.append(chunk)
            self._departed.popleft()
        return lost
