"""Rate control after BBR (draft-ietf-ccwg-bbr): what the path delivers, and not what it loses.

The window of who takes each loss for a full queue is 1.2 packets over the root of the loss rate,
whatever the link has: 0.2 MB/s at 100 ms and 1 %. Here a loss counts only with a queue.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from math import inf
from typing import Final

from .congestion import INITIAL_PACKETS, LOCAL_BUSY, LOCAL_SECONDS, LOCAL_WINDOW, Acknowledged

STARTUP_GAIN: Final = 2.77
"""2/ln 2, rounded: the least that doubles the rate in each round."""

CYCLE: Final = (1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Gains in turn, of a shortest trip each: ask for more, drain what that queued, cruise."""

DRAIN_GAIN: Final = 0.9
"""The gain of a phase that begins with a queue."""

WINDOW_GAIN: Final = 2.0
"""Of a bandwidth-delay product: acknowledgements come late, and several at once."""

ROUNDS: Final = 10
"""For how many the highest rate counts."""

STALLED: Final = 3
"""Rounds without a quarter more, after which the path is full."""

PROBE_RTT_SECONDS: Final = 10.0
"""After which the queue is drained to see the shortest trip, if none was as short since."""

PROBE_RTT_LENGTH: Final = 0.2
PROBE_RTT_GAIN: Final = 0.5

FULL: Final = 1.5
FULL_SECONDS: Final = 0.01
"""At first there is far too much on its way when a trip is half as long again, and 10 ms."""

LONG: Final = 2.5
LONG_SECONDS: Final = 1.0
"""Trips that are as many times the shortest for so long may be those of another path."""

QUEUE: Final = 1.15
QUEUE_SECONDS: Final = 0.005
"""A trip that is 15 %, and 5 ms, over the shortest has met a queue."""

CLUMP_SECONDS: Final = 0.1
"""For how long acknowledgements may fail to come, and then come at once, as from a busy host."""

NOISE: Final = 2.0
"""Times what trips usually differ by: less than that is a busy host, and no queue."""

LOSS: Final = 0.02
"""Share of a round that is lost, above which a queue is taken to overflow, if there is one."""

BACK: Final = 0.6
"""How much of what was on its way is left then."""

GIVEN_WAY: Final = 2
"""Times that it gives way to a queue that stays: then that is one which others keep, as BBR does,
and whoever goes on giving way to it is left with nothing. Until they give way, it does not."""

LET_IN: Final = 0.8
"""Of the queue that overflowed: where it is shorter, others have given way, as CUBIC does."""

KEPT_GAIN: Final = 1.5
"""Of what a trip with that queue delivers: how much may be on its way then, to gain a share."""

MARGIN: Final = 0.99
"""Slightly below what the path delivers, so that queues drain."""

_MIN_PACKETS: Final = 4
_TRIPS: Final = 8


class _Mode(Enum):
    STARTUP = 0
    DRAIN = 1
    PROBE_BANDWIDTH = 2
    PROBE_RTT = 3


class Bbr:
    """A rate, and a window of twice what that needs.

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
        self._start_up(0.0)
        self._bandwidth = 0.0
        self._samples: deque[tuple[int, float]] = deque()
        self._round = 0
        self._round_ends_at = 0
        self._phase = 0
        self._phase_began = 0.0
        self._phase_bandwidth = 0.0
        self._shortest = inf
        self._shortest_at = 0.0
        self._shortest_before = 0.0
        self._long_since: float | None = None
        self._probe_rtt_ends: float | None = None
        self._trips: deque[float] = deque(maxlen=_TRIPS)
        self._round_size = self._round_lost = 0
        self._clumps: deque[tuple[int, float]] = deque()
        self._clump_began = 0.0
        self._clump_size = 0
        self._variation = 0.0
        self._high = inf
        self._given_way = 0
        self._overflow_trip = 0.0
        self._before_timeout = 0

    def _start_up(self, bandwidth: float) -> None:
        """Look for what the path takes beyond this."""
        self._filled = False
        self._stalled = 0
        self._full_bandwidth = bandwidth
        self._mode, self._gain = _Mode.STARTUP, STARTUP_GAIN

    def acknowledged(self, ack: Acknowledged) -> None:
        self._packet = ack.largest_packet
        starts_round = self._count_round(ack)
        self._measure(ack)
        if starts_round:
            self._look_for_overflow(ack)
            self._look_for_full(ack)
        self._advance(ack)
        self._set(ack)

    def _count_round(self, ack: Acknowledged) -> bool:
        self._round_size += ack.size
        self._round_lost += ack.lost
        if ack.sent_with < self._round_ends_at:
            return False
        self._round_ends_at = ack.delivered
        self._round += 1
        return True

    def _measure(self, ack: Acknowledged) -> None:
        if ack.rate and (not ack.app_limited or ack.rate >= self._bandwidth):
            samples = self._samples
            while samples and samples[-1][1] <= ack.rate:
                samples.pop()
            samples.append((self._round, ack.rate))
        while (
            self._samples and self._samples[0][0] < self._round - ROUNDS and len(self._samples) > 1
        ):
            self._samples.popleft()
        self._bandwidth = self._samples[0][1] if self._samples else 0.0
        self._count_clump(ack)
        self._variation = ack.variation
        if ack.trip is None:
            return
        self._trips.append(ack.trip)
        if ack.trip <= self._shortest:
            self._shortest, self._shortest_at = ack.trip, ack.now

    def _count_clump(self, ack: Acknowledged) -> None:
        """See how much more is acknowledged at once than the rate tells."""
        expected = self._bandwidth * (ack.now - self._clump_began)
        if self._clump_size <= expected:
            self._clump_began, self._clump_size, expected = ack.now, 0, 0.0
        self._clump_size += ack.size
        extra = min(self._clump_size - expected, self.window, CLUMP_SECONDS * self._bandwidth)
        clumps = self._clumps
        while clumps and clumps[-1][1] <= extra:
            clumps.pop()
        clumps.append((self._round, extra))
        while clumps[0][0] < self._round - ROUNDS:
            clumps.popleft()

    @property
    def _has_queue(self) -> bool:
        if len(self._trips) < _TRIPS:
            return False
        over = max((QUEUE - 1) * self._shortest, QUEUE_SECONDS, NOISE * self._variation)
        return min(self._trips) > self._shortest + over

    @property
    def _is_overfull(self) -> bool:
        over = max((FULL - 1) * self._shortest + FULL_SECONDS, 2 * NOISE * self._variation)
        return len(self._trips) == _TRIPS and min(self._trips) > self._shortest + over

    @property
    def _is_let_in(self) -> bool:
        """Whether others have given way since a queue overflowed."""
        full = self._overflow_trip - self._shortest
        return (
            self._given_way >= GIVEN_WAY
            and len(self._trips) == _TRIPS
            and max(self._trips) < self._shortest + LET_IN * full
        )

    def _look_for_overflow(self, ack: Acknowledged) -> None:
        total = self._round_size + self._round_lost
        has_queue = self._has_queue
        if not has_queue or self._is_let_in:
            self._given_way = 0
        if self._round_lost > LOSS * total and has_queue:
            if self._filled:
                self._give_way(ack)
        elif self._high < inf:
            # There was room: ask for more, a packet more in each round at least.
            self._high += max(self._packet, 0.05 * self._high)
            longest = max(self._trips, default=0.0) if has_queue else 0.0
            if self._high > max(self._product(1.0), self._bandwidth * longest) * WINDOW_GAIN:
                self._high = inf
        self._round_size = self._round_lost = 0

    def _give_way(self, ack: Acknowledged) -> None:
        self._overflow_trip = max(self._trips)
        if self._given_way < GIVEN_WAY:
            self._given_way += 1
            self._high = max(BACK * (ack.in_flight + ack.size), self._product(1.0))
            return
        # What is delivered with the queue as it is needs this much on its way.
        kept = self._high if self._high < inf else 0.0
        self._high = max(
            kept, self._bandwidth * self._overflow_trip, 2 * _MIN_PACKETS * self._packet
        )

    def _look_for_full(self, ack: Acknowledged) -> None:
        if self._filled or ack.app_limited:
            return
        if self._bandwidth >= 1.25 * self._full_bandwidth:
            self._full_bandwidth = self._bandwidth
            self._stalled = 0
            return
        self._stalled += 1
        if self._stalled >= STALLED or self._has_queue:
            self._drain()

    def _drain(self) -> None:
        self._filled = True
        self._mode, self._gain = _Mode.DRAIN, 1 / STARTUP_GAIN

    def _advance(self, ack: Acknowledged) -> None:
        now = ack.now
        if self._mode is _Mode.STARTUP and not ack.app_limited and self._is_overfull:
            # The rate is still being measured: what is queued arrives at that of the path.
            self._drain()
        elif self._mode is _Mode.DRAIN and ack.in_flight <= self._product(1.0):
            self._begin_cycle(2, now)
        elif self._mode is _Mode.PROBE_BANDWIDTH:
            self._advance_cycle(ack)
        if self._mode is _Mode.PROBE_RTT:
            if self._probe_rtt_ends is None:
                if ack.in_flight <= self._probe_rtt_window() + self._packet:
                    self._probe_rtt_ends = now + max(PROBE_RTT_LENGTH, ack.smoothed)
                    self._shortest_before, self._shortest = self._shortest, inf
            elif now >= self._probe_rtt_ends:
                self._end_probe_rtt(now)
        elif self._filled and (
            now > self._shortest_at + PROBE_RTT_SECONDS or self._has_become_long(ack)
        ):
            self._mode, self._gain = _Mode.PROBE_RTT, 1.0
            self._probe_rtt_ends = None

    def _has_become_long(self, ack: Acknowledged) -> bool:
        """Whether the trips are so much longer, for so long, that the path may be another."""
        # Mostly it is the last that is short, and the others need not be looked at.
        long, trips = LONG * self._shortest, self._trips
        if len(trips) < _TRIPS or trips[-1] < long or min(trips) < long:
            self._long_since = None
            return False
        if self._long_since is None:
            self._long_since = ack.now
        return ack.now > self._long_since + max(LONG_SECONDS, 4 * ack.smoothed)

    def _probe_rtt_window(self) -> float:
        return max(self._product(PROBE_RTT_GAIN), _MIN_PACKETS * self._packet)

    def _end_probe_rtt(self, now: float) -> None:
        self._shortest_at = now
        self._long_since = None
        if self._shortest == inf:
            self._shortest = min(self._trips, default=inf)
        if self._shortest > LONG * self._shortest_before:
            self._start_up(0.0)
        else:
            self._begin_cycle(2, now)

    def _begin_cycle(self, phase: int, now: float) -> None:
        self._mode = _Mode.PROBE_BANDWIDTH
        self._phase, self._phase_began = phase, now
        self._gain = CYCLE[phase]
        if phase == 0:
            self._phase_bandwidth = self._bandwidth
        elif self._has_queue and self._given_way < GIVEN_WAY:
            # What was measured is too much, as where acknowledgements come in clumps.
            self._gain = min(self._gain, DRAIN_GAIN)

    def _advance_cycle(self, ack: Acknowledged) -> None:
        passed = ack.now - self._phase_began > self._shortest
        phase = self._phase
        if phase == 0:
            over = passed and (
                ack.in_flight >= self._product(CYCLE[0]) or ack.lost or self._has_queue
            )
        elif phase == 1:
            over = passed or ack.in_flight <= self._product(1.0)
        else:
            over = passed
        if not over and not (phase == 0 and ack.now - self._phase_began > 2 * self._shortest):
            return
        if phase == 2 and self._bandwidth > 1.2 * self._phase_bandwidth > 0:
            # There is far more than was known: look for all of it.
            self._start_up(self._bandwidth)
            return
        self._begin_cycle((phase + 1) % len(CYCLE), ack.now)

    def _product(self, gain: float) -> float:
        """That many bandwidth-delay products."""
        shortest = self._shortest if self._shortest < inf else min(self._trips, default=0.0)
        return gain * self._bandwidth * shortest

    def _set(self, ack: Acknowledged) -> None:
        packet = self._packet
        is_local = ack.shortest < LOCAL_SECONDS and ack.smoothed < LOCAL_BUSY
        # The window is large enough there, whatever a question and its answer tell.
        self.needs_samples = not is_local
        if self._mode is _Mode.PROBE_RTT:
            target = self._probe_rtt_window()
        else:
            clump = self._clumps[0][1] if self._filled else 0.0
            target = self._product(WINDOW_GAIN)
            if self._given_way >= GIVEN_WAY:
                # Two products are all on their way in a queue of one, and leave no room for more.
                target = max(target, KEPT_GAIN * self._bandwidth * ack.smoothed)
            target = min(target + clump, self._high) + 3 * packet
        target = max(target, _MIN_PACKETS * packet)
        if self._filled:
            self.window = round(min(self.window + ack.size, target))
        elif self.window < target or ack.delivered < INITIAL_PACKETS * packet:
            self.window += ack.size
        if is_local:
            self.window = LOCAL_WINDOW
            self.rate = None
            return
        rate = self._gain * self._bandwidth * MARGIN
        if self._mode is _Mode.STARTUP:
            # The rate of what few messages there were is not that of the path.
            rate = max(rate, STARTUP_GAIN * INITIAL_PACKETS * packet / ack.smoothed)
        self.rate = rate

    def lost(self, now: float, in_flight: int) -> None:
        pass

    def timed_out(self, now: float) -> None:
        self._before_timeout = max(self._before_timeout, self.window)
        self.window = self._packet

    def undo(self) -> None:
        self.window = max(self.window, self._before_timeout)
        self._before_timeout = 0

    def idle(self, now: float) -> None:
        if self._mode is _Mode.PROBE_RTT:
            self._end_probe_rtt(now)
