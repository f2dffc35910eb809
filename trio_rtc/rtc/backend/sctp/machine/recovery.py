"""Loss recovery: what is sent again, by RACK, a probe of the tail, a timeout (RFC 8985)."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Final

from .congestion import CongestionControl
from .outbound import LOST, OutboundChunk
from .partial_reliability import is_over
from .rack import LossDetection
from .rtt import RoundTrips
from .sent import SentChunks

PROBE_MARGIN: Final = 0.025
"""Seconds that an acknowledgement of a single packet may wait, beside two usual trips."""


class Recovery:
    """Finds losses, keeps them until they are sent again, and sees whether that was needless.

    Args:
        sent: what was sent.
        trips: the round trips.
        control: hears of losses.

    Attributes:
        losses: by the time since they were sent.
        lost_size: bytes that were lost; whoever tells the control of them sets it to 0.
        is_forced: whether one packet is to be sent now, whatever the window and the pace.
    """

    def __init__(self, sent: SentChunks, trips: RoundTrips, control: CongestionControl):
        self.losses = LossDetection(trips)
        self.lost_size = 0
        self.is_forced = False
        self._sent = sent
        self._trips = trips
        self._control = control
        #: The TSNs of what was lost, each once.
        self._heap: list[int] = []
        self._waiting: set[int] = set()
        #: Until what was sent, and with which TSN, one loss is no other than the last.
        self._order = -1
        self._tsn: int | None = None
        #: What was taken for lost, and has not been seen not to be.
        self._repairs: set[int] = set()
        self._undoable = False
        self._look_at: float | None = None
        self._expires_at: float | None = None
        self._armed_at = 0.0
        self._is_probe = False
        self._probing = False
        self._probe_tsn: int | None = None

    # What is lost.

    def peek(self) -> OutboundChunk | None:
        """The lost chunk of the lowest TSN."""
        while self._heap:
            chunk = self._sent.get(self._heap[0])
            if chunk is not None and chunk.state == LOST:
                return chunk
            self.pop()
        return None

    def is_stuck(self, size: int) -> bool:
        """Whether what is next to be sent again has more bytes than this.

        It cannot be split any more: its TSN is known to the other side.
        """
        chunk = self.peek()
        return chunk is not None and len(chunk.wire) > size

    def pop(self) -> None:
        self._waiting.remove(heappop(self._heap))

    @property
    def has_lost(self) -> bool:
        return bool(self._heap)

    def lose(self, chunks: Sequence[OutboundChunk]) -> None:
        """Have these sent again."""
        for chunk in chunks:
            self._sent.leave(chunk, LOST)
            self._repairs.add(chunk.tsn)
            # It may be there still, where the other side took back what it had told of.
            if chunk.tsn not in self._waiting:
                self._waiting.add(chunk.tsn)
                heappush(self._heap, chunk.tsn)

    def find(self, now: float) -> None:
        """Look for what is lost by now."""
        lost, self._look_at = self.losses.find(now)
        if not lost:
            return
        self.lost_size += sum([chunk.size for chunk in lost])
        self.lose(lost)
        if max([chunk.order for chunk in lost]) > self._order:
            self._control.lost(now, self._sent.in_flight)
            self._begin()

    def _begin(self) -> None:
        self._order = self.losses.order
        self._tsn = self._sent.next_tsn - 1
        self._undoable = True

    # Timers.

    def deadline(self) -> float | None:
        """When `wake` is to be called."""
        if self._look_at is None:
            return self._expires_at
        if self._expires_at is None:
            return self._look_at
        return min(self._look_at, self._expires_at)

    def departed(self, now: float) -> None:
        """Something was sent."""
        if self._expires_at is None or (self._is_probe and now != self._armed_at):
            self.arm(now)

    def arm(self, now: float) -> None:
        """Have the tail be probed (section 7.2), or time out."""
        self._armed_at = now
        wait = timeout = self._trips.timeout
        usual = self._trips.smoothed
        self._is_probe = False
        if usual is not None and not self._probing and not self._heap and self._sent.in_flight:
            wait = 2 * usual + PROBE_MARGIN
            self._is_probe = wait < timeout
            wait = min(wait, timeout)
        self._expires_at = now + wait

    def begin_anew(self, now: float) -> None:
        """The path is another: what was lost on the last is not to wait as long as that was bad."""
        self._is_probe = False
        self._expires_at = now + self._trips.timeout if self._sent else None

    def wake(self, now: float, *, has_new: bool, open_window: bool) -> bool:
        """Do what the time has come for; return whether there was a timeout.

        Args:
            now: the time.
            has_new: whether there is something new that may be sent.
            open_window: whether the other side takes a packet.
        """
        if self._look_at is not None and now >= self._look_at:
            self.find(now)
        if self._expires_at is None or now < self._expires_at:
            return False
        self._expires_at = None
        if self._is_probe:
            self._probe(now, has_new=has_new)
            return False
        self._time_out(now, open_window=open_window)
        return True

    def _probe(self, now: float, *, has_new: bool) -> None:
        """Ask what has become of the tail, with something new or the last of what was sent."""
        self._is_probe = False
        self._probing = True
        self._expires_at = now + self._trips.timeout
        self.is_forced = True
        if has_new:
            return
        chunk = self._sent.newest_in_flight()
        if chunk is None:
            return
        if is_over(chunk.message, chunk.transmissions, now):
            # It may still arrive: only a timeout gives it up.
            self.is_forced = False
            return
        self._probe_tsn = chunk.tsn
        self.lose([chunk])

    def _time_out(self, now: float, *, open_window: bool) -> None:
        self._trips.back_off()
        self._probing = False
        self._probe_tsn = None
        if not self._sent:
            return
        lost = self.losses.expire(now)
        self.lose(lost)
        self.lose(self._sent.renege())
        if lost and open_window:
            self._control.timed_out(now)
            self._begin()
        self.is_forced = True
        self._expires_at = now + self._trips.timeout

    # What comes back.

    def acknowledged(
        self, new: Sequence[OutboundChunk], now: float
    ) -> tuple[float | None, OutboundChunk]:
        """Take what has arrived; return the trip of the newest sent once, and the newest."""
        newest = new[0]
        once: OutboundChunk | None = None
        for chunk in new:
            if chunk.order > newest.order:
                newest = chunk
            if chunk.transmissions == 1 and (once is None or chunk.order > once.order):
                once = chunk
            is_early = self.losses.acknowledged(chunk, now)
            if self._repairs and (is_early or chunk.transmissions == 1):
                self._was_needless(chunk.tsn, chunk.order)
        if once is None:
            return None, newest
        trip = now - once.sent_at
        self._trips.add(trip, now)
        return trip, newest

    def duplicated(self, tsn: int) -> None:
        """The other side has had it twice."""
        if tsn == self._probe_tsn:
            # The probe tells of no loss (section 7.4.2).
            self._probe_tsn = None
        self._was_needless(tsn, self.losses.order)

    def _was_needless(self, tsn: int, order: int) -> None:
        if tsn not in self._repairs:
            return
        self.losses.needless(order)
        self._repairs.remove(tsn)
        if self._undoable and not self._repairs:
            self._undoable = False
            self._control.undo()

    def settle(self, now: float, *, progressed: bool) -> None:
        """An acknowledgement has been taken: see what is over, and set the timers."""
        acknowledged = self._sent.acknowledged
        if self._tsn is not None and acknowledged >= self._tsn:
            self._tsn = None
            self._repairs.clear()
            self._undoable = False
            self.losses.recovered()
        if self._probing and progressed:
            self._probing = False
            if self._probe_tsn is not None and self._probe_tsn <= acknowledged:
                # It was the probe that repaired a loss.
                self._control.lost(now, self._sent.in_flight)
            if self._tsn is None:
                self._repairs.clear()
            self._probe_tsn = None
        if not self._sent:
            self._expires_at = self._probe_tsn = None
            self._probing = self._is_probe = False
        elif progressed:
            self._trips.heard()
            self.arm(now)
        elif self._expires_at is None:
            self.arm(now)
