"""Bandwidth estimate: what a path carries, by the feedback of the other side.

Google Congestion Control (draft-ietf-rmcat-gcc-02) put together: the smaller of the rate by the
delay and of that by losses. A pure machine; rates in bits a second, times in seconds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from .delay_gradient import DelayGradient
from .rate_control import LEAST, LossControl, RateControl
from .sent_packets import PacketResult

START: Final = 500_000.0
WINDOW: Final = 0.5
"""Seconds over which it is counted what arrives."""

LEAST_WINDOW: Final = 0.2

SILENT: Final = 1.0
"""Seconds without feedback after which less is sent, and half of them for each time more: until
there is some, which tells whether the path or only the other side's machine was held up."""

SILENT_DECREASE: Final = 0.8

PROVEN: Final = 0.8
"""Of what arrives: a pacer that follows the rate makes no more than that arrive."""

CONGESTED: Final = 0.5
"""Seconds after which a path that was congested is one no more, unless it is again."""

LONGEST_TURN: Final = 0.1
"""Seconds between two pictures that count as silence: in more than that we were held up."""


class ArrivalRate:
    """The bitrate of what has arrived lately: that of half a second, or of its last part if more.

    Where a queue grows, what arrives is what the path carries; half a second ago it may have been
    less, as an encoder that begins anew makes small pictures at first.
    """

    def __init__(self) -> None:
        self._arrivals: deque[tuple[float, int]] = deque()

    def add(self, arrived: float, size: int) -> None:
        """Take a packet of so many bytes."""
        self._arrivals.append((arrived, 8 * size))
        while self._arrivals[0][0] < arrived - WINDOW:
            self._arrivals.popleft()

    @property
    def value(self) -> float | None:
        """Bits a second; None if it is too early to tell."""
        bits, most = 0, None
        for arrived, size in reversed(self._arrivals):
            # The first of them took no time.
            span = self._arrivals[-1][0] - arrived
            if span >= LEAST_WINDOW:
                most = max(most or 0.0, bits / span)
            bits += size
        return most


class BandwidthEstimate:
    """What may be sent on a path.

    Attributes:
        rate: bits a second.
        trusts_arrivals: whether so much is carried as arrives without overuse, whatever was
            thought before: where what is sent does not follow the rate, as a layer does not.
    """

    def __init__(self, rate: float = START) -> None:
        self.rate = rate
        self.trusts_arrivals = False
        self._gradient = DelayGradient()
        self._by_delay = RateControl(rate)
        self._by_loss = LossControl()
        self._arriving = ArrivalRate()
        self._silence = 0.0
        self._asked: float | None = None
        self._congested = -math.inf

    def take(self, results: Sequence[PacketResult], now: float) -> None:
        """Take what feedback tells of packets, in the order of sending."""
        if not results:
            return
        self._silence, self._asked = 0.0, now
        lost = sent = 0
        has_overuse = False
        for result in sorted((r for r in results if r.arrived is not None), key=_arrival):
            assert result.arrived is not None
            self._arriving.add(result.arrived, result.size)
            self._gradient.add(result.sent, result.arrived)
            has_overuse |= self._gradient.usage == "overuse"
        for result in results:
            sent += not result.was_lost
            lost += (result.arrived is None) - result.was_lost
        rtt = now - max(result.sent for result in results)
        usage = "overuse" if has_overuse else self._gradient.usage
        before = self._by_loss.rate
        self._by_delay.update(usage, self._arriving.value, rtt, now)
        arriving = self._arriving.value
        if self.trusts_arrivals and usage == "normal" and arriving is not None:
            self._by_delay.raise_to(PROVEN * arriving)
        self._by_loss.update(sent, lost, self._by_delay.rate, now)
        if self.trusts_arrivals and self._by_loss.rate > before and arriving is not None:
            self._by_loss.raise_to(PROVEN * arriving)
        if usage == "overuse" or self._by_loss.rate < before:
            self._congested = now
        self._combine()

    def is_congested(self, now: float) -> bool:
        """Whether there was overuse lately, or many packets were lost, or nobody tells."""
        return now <= self._congested + CONGESTED or self._silence >= SILENT

    def be_without(self, now: float) -> None:
        """Tell that packets are sent, and that no feedback has come with this time."""
        if self._asked is None:
            return
        self._silence += min(now - self._asked, LONGEST_TURN)
        self._asked = now
        self._combine()

    def _combine(self) -> None:
        steps = max(int(self._silence / (SILENT / 2)) - 1, 0)
        known = min(self._by_delay.rate, self._by_loss.rate)
        self.rate = max(known * SILENT_DECREASE**steps, LEAST)


def _arrival(result: PacketResult) -> float:
    assert result.arrived is not None
    return result.arrived
