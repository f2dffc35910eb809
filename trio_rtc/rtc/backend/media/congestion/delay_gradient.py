"""Delay gradient: whether packets take longer and longer, which tells of a queue that grows.

It is the delay-based part of Google Congestion Control (draft-ietf-rmcat-gcc-02, section 5):
packets are grouped (5.2), the gradient of their one-way delay is filtered (5.3), and compared with
a threshold that adapts (5.4). The filter is a regression over the last groups instead of a Kalman
filter, as in libwebrtc since 2016: it has no noise to be tuned for. A pure machine.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

Usage = Literal["normal", "overuse", "underuse"]

BURST: Final = 0.005
"""Seconds in which what is sent is one group; and what arrives within, though sent later."""

LONGEST_BURST: Final = 0.1

WINDOW: Final = 20
"""Groups that the regression is over."""

SMOOTHING: Final = 0.9
GAIN: Final = 4.0
MOST_DELTAS: Final = 60
"""With fewer groups the gradient counts less."""

OVERUSE_MS: Final = 10.0
"""For so long the gradient is above its threshold before that is taken for overuse."""

FIRST_THRESHOLD: Final = 12.5
LEAST_THRESHOLD: Final = 6.0
MOST_THRESHOLD: Final = 600.0
K_UP: Final = 0.0087
K_DOWN: Final = 0.039
OUTLIER: Final = 15.0
LONGEST_ADAPTATION_MS: Final = 100.0


class ArrivalGroups:
    """Packets that were sent together, and the time from one such group to the next."""

    def __init__(self) -> None:
        self._first_sent = self._last_sent = 0.0
        self._first_arrived = self._last_arrived = 0.0
        self._is_open = False
        self._before: tuple[float, float] | None = None

    def add(self, sent: float, arrived: float) -> tuple[float, float] | None:
        """Take a packet.

        Returns:
            when it is the first of a group: the seconds of sending, and those of arrival, from
            the last but one group to the last.
        """
        if not self._is_open:
            self._open(sent, arrived)
            return None
        if sent < self._first_sent:
            # It was overtaken: its group is closed.
            return None
        if sent - self._first_sent <= BURST or self._came_with_them(sent, arrived):
            self._last_sent = max(self._last_sent, sent)
            self._last_arrived = max(self._last_arrived, arrived)
            return None
        before, self._before = self._before, (self._last_sent, self._last_arrived)
        deltas = None
        if before is not None:
            deltas = (self._last_sent - before[0], self._last_arrived - before[1])
        self._open(sent, arrived)
        return deltas

    def _open(self, sent: float, arrived: float) -> None:
        self._is_open = True
        self._first_sent = self._last_sent = sent
        self._first_arrived = self._last_arrived = arrived

    def _came_with_them(self, sent: float, arrived: float) -> bool:
        """Whether something held it up and let all go at once, which is not a queue."""
        between = arrived - self._last_arrived
        return (
            between - (sent - self._last_sent) < 0
            and between <= BURST
            and arrived - self._first_arrived < LONGEST_BURST
        )


class DelayGradient:
    """The state of the path, by the gradient of the delay.

    Attributes:
        usage: what it is.
    """

    def __init__(self) -> None:
        self.usage: Usage = "normal"
        self._groups = ArrivalGroups()
        self._points: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._count = 0
        self._accumulated = self._smoothed = 0.0
        self._began: float | None = None
        self._slope = 0.0
        self._threshold = FIRST_THRESHOLD
        self._adapted: float | None = None
        self._over_ms = 0.0
        self._over_count = 0

    def add(self, sent: float, arrived: float) -> None:
        """Take a packet that arrived: when it was sent, and arrived, each by a clock in seconds."""
        deltas = self._groups.add(sent, arrived)
        if deltas is not None:
            self._take(1000 * deltas[0], 1000 * deltas[1], 1000 * arrived)

    def _take(self, sending: float, arrival: float, now: float) -> None:
        """Take a group; all times in milliseconds."""
        self._count = min(self._count + 1, MOST_DELTAS)
        self._accumulated += arrival - sending
        self._smoothed = SMOOTHING * self._smoothed + (1 - SMOOTHING) * self._accumulated
        self._began = now if self._began is None else self._began
        self._points.append((now - self._began, self._smoothed))
        before = self._slope
        if len(self._points) == WINDOW:
            self._slope = _slope(self._points)
        offset = self._count * self._slope * GAIN
        self.usage = self._compare(offset, sending, is_rising=self._slope >= before)
        self._adapt(offset, now)

    def _compare(self, offset: float, sending: float, *, is_rising: bool) -> Usage:
        if abs(offset) <= self._threshold or offset < 0:
            self._over_ms, self._over_count = 0.0, 0
            return "underuse" if offset < -self._threshold else "normal"
        # Of the first group half counts: it began somewhere in it.
        self._over_ms += sending if self._over_count else sending / 2
        self._over_count += 1
        if self._over_ms > OVERUSE_MS and self._over_count > 1 and is_rising:
            self._over_ms, self._over_count = 0.0, 0
            return "overuse"
        return self.usage

    def _adapt(self, offset: float, now: float) -> None:
        """Have the threshold follow: a flow of TCP beside it would starve it otherwise (5.4)."""
        since = now - (now if self._adapted is None else self._adapted)
        self._adapted = now
        if abs(offset) > self._threshold + OUTLIER:
            return
        gain = K_DOWN if abs(offset) < self._threshold else K_UP
        step = gain * (abs(offset) - self._threshold) * min(since, LONGEST_ADAPTATION_MS)
        self._threshold = min(max(self._threshold + step, LEAST_THRESHOLD), MOST_THRESHOLD)


def _slope(points: deque[tuple[float, float]]) -> float:
    """That of the line through them, by least squares."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
