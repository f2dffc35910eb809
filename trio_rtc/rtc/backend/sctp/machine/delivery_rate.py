"""Delivery rate of the path (draft-cheng-iccrg-delivery-rate-estimation)."""

from __future__ import annotations

from .outbound import OutboundChunk, Snapshot


class DeliveryRate:
    """What has arrived, and when.

    Attributes:
        size: bytes.
    """

    def __init__(self) -> None:
        self.size = 0
        self._at = 0.0
        self._first_sent_at = 0.0
        self._limited_until = 0
        self._snapshot: Snapshot | None = None

    def begin(self, now: float) -> None:
        """Something is sent, and nothing is on its way."""
        self._first_sent_at = self._at = now
        self._snapshot = None

    def snapshot(self) -> Snapshot:
        """For what is sent now."""
        if self._snapshot is None:
            self._snapshot = Snapshot(
                self.size, self._at, self._first_sent_at, self.size < self._limited_until
            )
        return self._snapshot

    def limit(self, in_flight: int) -> None:
        """There is nothing to send, and the path would take more."""
        self._limited_until = max(self.size + in_flight, 1)
        self._snapshot = None

    def add(self, size: int, newest: OutboundChunk, now: float, shortest: float) -> float:
        """Count what has arrived, of which this was sent last; return bytes a second, or 0."""
        self.size += size
        self._at = now
        self._snapshot = None
        then = newest.snapshot
        self._first_sent_at = newest.sent_at
        seconds = max(newest.sent_at - then.first_sent_at, now - then.delivered_at)
        if seconds <= 0 or seconds < shortest:
            return 0.0
        return (self.size - then.delivered) / seconds
