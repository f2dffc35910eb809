"""CUBIC (RFC 9438), with HyStart++ (RFC 9406) to end slow start before a queue overflows."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Final

from .congestion import INITIAL_PACKETS, LOCAL_BUSY, LOCAL_SECONDS, LOCAL_WINDOW, Acknowledged

BETA: Final = 0.7
C: Final = 0.4
"""Packets per cubic second (section 5)."""

TRIPS: Final = 8
"""Trips of which the shortest counts (RFC 9406, section 4.2): a minimum over a whole round comes
a round late where packets are paced."""

CSS_ROUNDS: Final = 5
CSS_DIVISOR: Final = 4
_MIN_PACKETS: Final = 2
_SLOW_START_GAIN: Final = 2.0
_GAIN: Final = 1.25


class Cubic:
    """A window that grows with the time since the last loss.

    Args:
        packet: bytes of a packet at first.
    """

    def __init__(self, packet: int):
        self._packet = packet
        self.forget()

    def forget(self) -> None:
        self.window = INITIAL_PACKETS * self._packet
        self.rate: float | None = None
        self.needs_samples = True
        self._floor = 0
        self._threshold = inf
        self._trips: deque[float] = deque(maxlen=TRIPS)
        self._css_base = inf
        self._css_rounds = 0
        self._round_ends_at = 0
        self._epoch: float | None = None
        self._most = 0.0
        self._k = 0.0
        self._estimate = 0.0
        self._before: tuple[int, float, float | None, float, float] | None = None

    def acknowledged(self, ack: Acknowledged) -> None:
        self._packet = ack.largest_packet
        if ack.trip is not None:
            self._trips.append(ack.trip)
        if ack.window_limited or self.window <= self._floor:
            if self.window < self._threshold:
                self._slow_start(ack)
            else:
                self._avoid_congestion(ack)
        local = ack.shortest < LOCAL_SECONDS and ack.smoothed < LOCAL_BUSY
        self._floor = LOCAL_WINDOW if local else 0
        if local:
            # More than a receive buffer takes is lost there, and no queue tells of that before.
            self.window = min(self.window, LOCAL_WINDOW)
            self.rate = None
        else:
            gain = _SLOW_START_GAIN if self.window < self._threshold else _GAIN
            self.rate = gain * self.window / ack.smoothed

    def _slow_start(self, ack: Acknowledged) -> None:
        in_css = self._css_base < inf
        self.window += ack.size // CSS_DIVISOR if in_css else ack.size
        if ack.sent_with >= self._round_ends_at:
            self._round_ends_at = ack.delivered
            self._css_rounds += in_css
        if len(self._trips) < TRIPS:
            return
        lately = min(self._trips)
        if not in_css:
            if lately > ack.shortest + min(max(0.004, ack.shortest / 8), 0.016):
                self._css_base = lately
                self._css_rounds = 0
        elif lately < self._css_base - 0.002:
            self._css_base = inf
        elif self._css_rounds >= CSS_ROUNDS:
            self._threshold = self.window

    def _avoid_congestion(self, ack: Acknowledged) -> None:
        packet = self._packet
        if self._epoch is None:
            self._epoch = ack.now
            self._most = max(self._most, float(self.window))
            self._k = ((self._most - self.window) / packet / C) ** (1 / 3)
            self._estimate = float(self.window)
        since = ack.now - self._epoch + ack.smoothed
        target = self._most + C * packet * (since - self._k) ** 3
        target = min(max(target, self.window), 1.5 * self.window)
        # As Reno would have it (section 4.3).
        self._estimate += 3 * (1 - BETA) / (1 + BETA) * packet * ack.size / self.window
        if self._estimate > target:
            self.window = round(self._estimate)
        else:
            self.window += round((target - self.window) * ack.size / self.window)

    def lost(self, now: float, in_flight: int) -> None:
        self._before = (self.window, self._threshold, self._epoch, self._most, self._k)
        # A flow that has less than before leaves room for others (section 4.7).
        fast = self.window * (1 + BETA) / 2 if self.window < self._most else float(self.window)
        self._most = fast
        self.window = max(round(self.window * BETA), _MIN_PACKETS * self._packet, self._floor)
        self._threshold = self.window
        self._epoch = None
        # What ends slow start early has no more to say.
        self._css_base = inf

    def timed_out(self, now: float) -> None:
        self.lost(now, 0)
        self.window = self._packet

    def undo(self) -> None:
        if self._before is not None:
            window, threshold, self._epoch, self._most, self._k = self._before
            self.window = max(self.window, window)
            self._threshold = max(self._threshold, threshold)
            self._before = None

    def idle(self, now: float) -> None:
        # What was allowed once may be too much by now (RFC 2861).
        self.window = min(self.window, max(INITIAL_PACKETS * self._packet, self._floor))
        self._epoch = None
