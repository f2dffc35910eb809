"""Rate control: the bitrate that a path carries, by its state and by what is lost.

It is that of Google Congestion Control (draft-ietf-rmcat-gcc-02): the rate by the state is raised
until there is overuse, and then set below what arrives (section 5.5); that by losses is lowered
where many packets are lost (section 6). Pure machines; rates in bits a second, times in seconds.
"""

from __future__ import annotations

import math
from typing import Final, Literal

from .delay_gradient import Usage

State = Literal["hold", "increase", "decrease"]

LEAST: Final = 50_000.0
MOST: Final = 20_000_000.0

TRANSITIONS: Final[dict[tuple[State, Usage], State]] = {
    ("hold", "overuse"): "decrease",
    ("hold", "normal"): "increase",
    ("hold", "underuse"): "hold",
    ("increase", "overuse"): "decrease",
    ("increase", "normal"): "increase",
    ("increase", "underuse"): "hold",
    ("decrease", "overuse"): "decrease",
    ("decrease", "normal"): "hold",
    ("decrease", "underuse"): "hold",
}
"""The figure in section 5.5: an overuse has to drain before more is tried."""

DECREASE: Final = 0.85
LEAST_KEPT: Final = 0.5
"""Of the rate, whatever arrives: a sender that was held up sends little, too."""

INCREASE: Final = 1.08
"""In a second, far from the last overuse."""

FIRST_INCREASE: Final = 1.5
"""In a second, before there was any: the draft leaves the beginning open."""

MOST_OF_ARRIVED: Final = 1.5
"""Times what arrives: more than that nobody has tried."""

ARRIVED_MARGIN: Final = 10_000
PACKET_BITS: Final = 1200 * 8
FRAMES: Final = 30
AVERAGING: Final = 0.05

FEW_LOST: Final = 0.02
MANY_LOST: Final = 0.1
LOSS_INCREASE: Final = 1.05
LOSS_INTERVAL: Final = 0.5
LEAST_PACKETS: Final = 10


class RateControl:
    """The rate by the state of the path.

    Args:
        rate: to begin with.

    Attributes:
        rate: what may be sent.
    """

    def __init__(self, rate: float):
        self.rate = rate
        self._state: State = "hold"
        self._updated: float | None = None
        self._decreased = -math.inf
        # What arrived when there was overuse, on average, and how much that varied, in kbit/s.
        self._link: float | None = None
        self._variance = 0.4
        self._was_congested = False

    def update(self, usage: Usage, arriving: float | None, rtt: float, now: float) -> None:
        """Take the state of the path.

        Args:
            usage: the state.
            arriving: the rate of what has arrived lately; None if that is not known.
            rtt: the round trip time.
            now: the time.
        """
        since = 0.0 if self._updated is None else now - self._updated
        self._updated = now
        self._state = TRANSITIONS[self._state, usage]
        if self._state == "increase":
            self._increase(arriving, rtt, min(since, 1.0))
        elif self._state == "decrease" and arriving is not None:
            self._decrease(arriving, rtt, now)

    def raise_to(self, rate: float) -> None:
        """Have it be at least this, which the path is known to carry."""
        self.rate = min(max(self.rate, rate), MOST)

    def _increase(self, arriving: float | None, rtt: float, since: float) -> None:
        link = self._link
        if arriving is not None and link is not None and arriving > 1000 * (link + self._far(link)):
            # The path is another one.
            self._link = None
        if self._link is not None:
            # Near to what it carried: by half a packet in the time in which that is answered.
            per_frame = self.rate / FRAMES
            packet = per_frame / max(math.ceil(per_frame / PACKET_BITS), 1)
            step = max(1000.0 * since, 0.5 * packet * min(since / (rtt + 0.1), 1.0))
        else:
            factor = INCREASE if self._was_congested else FIRST_INCREASE
            step = self.rate * (factor**since - 1)
        most = MOST
        if arriving is not None:
            most = max(self.rate, MOST_OF_ARRIVED * arriving + ARRIVED_MARGIN)
        self.rate = min(self.rate + step, most, MOST)

    def _decrease(self, arriving: float, rtt: float, now: float) -> None:
        if now - self._decreased < min(max(rtt, 0.01), 0.2):
            # What was done about it cannot be seen yet.
            return
        self._decreased = now
        self._was_congested = True
        link = self._link
        if link is not None and arriving < 1000 * (link - self._far(link)):
            self._link = None
        wanted = max(DECREASE * arriving, LEAST_KEPT * self.rate)
        self.rate = max(min(self.rate, wanted), LEAST)
        self._learn_link(arriving / 1000)

    def _learn_link(self, kilobits: float) -> None:
        self._link = (
            kilobits if self._link is None else (1 - AVERAGING) * self._link + AVERAGING * kilobits
        )
        deviation = (self._link - kilobits) ** 2 / max(self._link, 1.0)
        variance = (1 - AVERAGING) * self._variance + AVERAGING * deviation
        self._variance = min(max(variance, 0.4), 2.5)

    def _far(self, link: float) -> float:
        """How far from what a path carries is another path's: three deviations, in kbit/s."""
        return 3 * math.sqrt(self._variance * link)


class LossControl:
    """The rate by losses.

    Attributes:
        rate: what may be sent.
    """

    def __init__(self) -> None:
        self.rate = MOST
        self._sent = self._lost = 0
        self._updated: float | None = None

    def update(self, sent: int, lost: int, by_delay: float, now: float) -> None:
        """Take what has become of packets.

        Args:
            sent: how many of them there were.
            lost: how many of these were lost, less those that were only late.
            by_delay: the rate by the state of the path.
            now: the time.
        """
        self._updated = now if self._updated is None else self._updated
        self._sent += sent
        self._lost += lost
        if now - self._updated < LOSS_INTERVAL or self._sent < LEAST_PACKETS:
            return
        share = max(self._lost, 0) / self._sent
        self._updated, self._sent, self._lost = now, 0, 0
        if share > MANY_LOST:
            self.rate = max(min(self.rate, by_delay) * (1 - 0.5 * share), LEAST)
        elif share < FEW_LOST:
            self.rate = min(self.rate * LOSS_INCREASE, MOST)

    def raise_to(self, rate: float) -> None:
        """Have it be at least this, which the path is known to carry."""
        self.rate = min(max(self.rate, rate), MOST)
