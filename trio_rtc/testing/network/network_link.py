"""A link of a simulated network, one direction of it: a pure machine.

It takes the size of a packet and the time, and returns when the packet arrives: never, once, or
more often. It reads no clock, and what is left to chance comes from the generator that it is given,
so that the same packets at the same times meet the same fate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, NamedTuple

Mischance = Literal["loss", "reordering", "duplication"]
"""What befalls a packet by chance."""
Fate = Literal["arrives", "loss", "queue full", "too large", "down"]

_SHARES: Final = ("loss", "reordering", "duplication")
_SECONDS: Final = ("delay", "jitter")


@dataclass(frozen=True, kw_only=True)
class Link:
    """How one direction of a link behaves.

    Attributes:
        delay: seconds that each packet takes.
        jitter: seconds that it takes longer, at most; evenly spread, and packets stay in order.
        loss: the share of packets that are lost, 0 to 1.
        burst: how many are lost in a row, on average; 1 is each by itself.
        reordering: the share of packets that come late, by ``delay`` or 10 ms, whatever is more,
            so that those behind them overtake them.
        duplication: the share of packets that come twice.
        rate: bits per second.
        queue: bytes that wait at most where packets come faster than ``rate``; what comes when
            it is full is lost.
        mtu: bytes of the largest packet, its IP header included.
        is_up: whether anything arrives at all. Nobody is told if not.

    Raises:
        ValueError: one of them is out of its range.
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    burst: float = 1.0
    reordering: float = 0.0
    duplication: float = 0.0
    rate: float = math.inf
    queue: int = 256 * 1024
    mtu: int = 1500
    is_up: bool = True

    def __post_init__(self) -> None:
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, not {getattr(self, name)}")
        for name in _SECONDS:
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is in seconds, not {getattr(self, name)}")
        if not self.burst >= 1:
            raise ValueError(f"burst is the mean length of losses, at least 1, not {self.burst}")
        if not self.rate > 0:
            raise ValueError(f"rate is in bits per second, above 0, not {self.rate}")
        if not (self.queue >= 0 and self.mtu >= 68):
            raise ValueError("a queue has 0 bytes or more, and an MTU 68 bytes or more (RFC 791)")


class Passage(NamedTuple):
    """What becomes of a packet.

    Attributes:
        fate: ``arrives``, or why it does not.
        arrivals: the times at which it arrives, in seconds.
    """

    fate: Fate
    arrivals: tuple[float, ...] = ()


class LinkDirection:
    """The state of one direction of a link.

    Args:
        link: how it behaves; it may be replaced at any time.
        random: decides what is left to chance. Four numbers are drawn for each packet, whatever
            the link is set to: a change of a link changes no chance of later packets.
        happens: asked with the number of a packet, from 1, whether what chance has for it is to
            happen. By default all of it does.
    """

    def __init__(
        self,
        link: Link,
        random: Random,
        happens: Callable[[int, Mischance], bool] = lambda number, kind: True,
    ):
        self.link = link
        self._happens = happens
        self._number = 0
        self._random = random
        self._free_at = -math.inf
        self._last_arrival = -math.inf
        self._is_losing = False

    def backlog(self, now: float) -> float:
        """Bytes that wait now to be sent."""
        waiting = max(0.0, self._free_at - now)
        return waiting * self.link.rate / 8 if waiting else 0.0

    def send(self, size: int, now: float, *, may_fragment: bool = True) -> Passage:
        """Send a packet at this time.

        Args:
            size: its bytes, the IP header included.
            now: in seconds; never less than before.
            may_fragment: whether what is larger than the MTU goes in fragments, all of which have
                to arrive, or not at all.
        """
        link = self.link
        self._number += 1
        lost, jitter, late, twice = (self._random.random() for _ in range(4))
        fragments = -(-size // link.mtu)
        if not link.is_up:
            return Passage("down")
        if fragments > 1 and not may_fragment:
            return Passage("too large")
        if self.backlog(now) > link.queue:
            return Passage("queue full")
        # What is lost on a link has taken its time there.
        self._free_at = max(now, self._free_at) + size * 8 / link.rate
        if self._loses(lost, fragments) and self._happens(self._number, "loss"):
            return Passage("loss")
        arrival = self._free_at + link.delay + jitter * link.jitter
        if late < link.reordering and self._happens(self._number, "reordering"):
            arrival += max(link.delay, 0.01)
        else:
            arrival = self._last_arrival = max(arrival, self._last_arrival)
        if twice < link.duplication and self._happens(self._number, "duplication"):
            return Passage("arrives", (arrival, arrival))
        return Passage("arrives", (arrival,))

    def _loses(self, chance: float, fragments: int) -> bool:
        """Losses in bursts are a chain of two states (Gilbert): one loses all, one nothing."""
        loss, burst = self.link.loss, self.link.burst
        if loss in (0, 1):
            likely = loss
        elif self._is_losing:
            likely = max(1 - 1 / burst, loss)
        elif burst == 1:
            likely = loss
        else:
            likely = min(1.0, loss / (burst * (1 - loss)))
        self._is_losing = chance < 1 - (1 - likely) ** fragments
        return self._is_losing
