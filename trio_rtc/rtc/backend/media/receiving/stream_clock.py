"""The clock of a received track: RTP timestamps laid on the timeline of the peer.

Timestamps have random bases, wrap, and belong to a source: they are only good for differences
(RFC 3550, section 5.1). A remote clock is followed as long as the wall clock could have gone with
it, and where it drifts, its media are laid later or earlier little by little. Where it leaps, or
another source begins, what comes is laid where it arrived.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from .drift import Drift
from .minimum import RecentMinimum
from .sequence import signed_difference
from .timeline import PeerTimeline

AHEAD_SECONDS: Final = 0.5
"""A step forward by this much more than has passed is none that a network makes: a leap."""

BEHIND_SECONDS: Final = 1.0
"""What stays later than this by its clock has paused without its clock going on."""

RUNAWAY_SECONDS: Final = 2.0
"""How far a clock may get ahead of the time of arrival in many small steps."""

REORDERED_SECONDS: Final = 1.0
"""How far before the one in front of it a picture can belong that is sent in decoding order."""

CONTIGUOUS_SECONDS: Final = 0.06
"""Sound that begins again as close as that to its end goes on without a gap."""

OVERLAP_SECONDS: Final = 0.005
"""How far a piece of sound may begin before the end of the last one: senders round."""

SHORTEST_SECONDS: Final = 0.001
"""Between a picture and the next one where the clock has leapt."""

WINDOW_SECONDS: Final = 2.0
COMPARE_SECONDS: Final = 0.5
REPORTS_KEPT: Final = 8
SEGMENTS: Final = 16
CORRECTION_SECONDS: Final = {True: 0.030, False: 0.010}
"""Below this, sound (True) and pictures (False) are left where they are."""

NTP_UNITS: Final = 1 << 32


@dataclass(slots=True)
class _Segment:
    """A stretch in which timestamps of one source and ticks of the timeline go together."""

    ssrc: int
    first: int
    first_timestamp: int
    timestamp: int
    ticks: int

    def map(self, timestamp: int) -> int:
        return self.ticks + signed_difference(timestamp, self.timestamp, 32)


class StreamClock:
    """The clock of one track.

    Args:
        timeline: that of the peer, which its other tracks share.
        rate: ticks per second.
        is_sound: whether what comes has a length, and no gaps but pauses.
    """

    def __init__(self, timeline: PeerTimeline, rate: int, *, is_sound: bool):
        self._timeline = timeline
        self._rate = rate
        self._is_sound = is_sound
        self._segments: deque[_Segment] = deque(maxlen=SEGMENTS)
        self._highest = 0
        self._timestamp = 0
        self._arrived = 0.0
        self._end: int | None = None
        self._length = 0
        self._lateness = RecentMinimum(WINDOW_SECONDS)
        self._drift = Drift()
        #: What is left of a tick after the last one by which drift was followed.
        self._part = 0.0
        self._compared = -math.inf
        self._reports: dict[int, tuple[int, int]] = {}
        #: Ticks that the track is still to be laid earlier, little by little.
        self._excess = 0

    def map(
        self,
        ssrc: int,
        number: int,
        timestamp: int,
        now: float,
        *,
        length: int = 0,
        may_precede: bool = False,
    ) -> int:
        """The ticks of what has come, since the beginning of the timeline.

        Args:
            ssrc: the source of it.
            number: the sequence number of a packet, or that of a picture, without wraps.
            timestamp: that of RTP.
            now: when it came, in seconds.
            length: of sound, in ticks.
            may_precede: whether it may belong before the picture in front of it.
        """
        elapsed = self._timeline.elapsed(now)
        segment = self._segments[-1] if self._segments else None
        if segment is not None and segment.ssrc == ssrc and number <= self._highest:
            return self._map_late(number, timestamp)
        if segment is None or segment.ssrc != ssrc:
            ticks = self._begin(ssrc, number, timestamp, elapsed)
        else:
            ticks = segment.map(timestamp)
            if self._leaps(ticks, timestamp, now, elapsed, may_precede=may_precede):
                ticks = self._begin(ssrc, number, timestamp, elapsed)
            else:
                ticks = self._catch_up(segment, ticks)
        ticks += self._keep_up(ticks, elapsed - ticks / self._rate, now)
        segment = self._segments[-1]
        segment.timestamp, segment.ticks = timestamp, ticks
        self._highest, self._timestamp, self._arrived = number, timestamp, now
        self._length = length
        self._end = ticks + length if self._end is None else max(self._end, ticks + length)
        self._lateness.add(elapsed - ticks / self._rate, now)
        if self._lateness.value > BEHIND_SECONDS:
            # From the next one on.
            self._lay_behind(round(self._lateness.value * self._rate))
            self._timeline.forget(self)
        if now >= self._compared + COMPARE_SECONDS:
            self._compare(now)
        return ticks

    def _keep_up(self, ticks: int, lateness: float, now: float) -> int:
        """How many ticks later to lay this, and what comes behind it, for its clock drifts."""
        self._part += self._drift.follow(lateness, now) * self._rate
        room = self._room(ticks) + (self._is_sound and round(OVERLAP_SECONDS * self._rate / 2))
        later = max(round(self._part), -room)
        self._part -= later
        self._lateness.shift(-later / self._rate)
        return later

    def _room(self, ticks: int) -> int:
        """How much earlier something may be laid than there."""
        after_end = ticks - (ticks if self._end is None else self._end)
        return max(after_end if self._is_sound else after_end // 2, 0)

    def _compare(self, now: float) -> None:
        """Lay the track beside the one that leads, by the fastest arrivals of both."""
        is_first, self._compared = math.isinf(self._compared), now
        if not is_first:
            lateness = self._lateness.value + self._excess / self._rate
            correction = self._timeline.arrive(self, lateness, is_sound=self._is_sound)
            self._lay_later(correction)

    def _map_late(self, number: int, timestamp: int) -> int:
        segment = self._segments[-1]
        for former in reversed(self._segments):
            if former.first <= number or former.ssrc != segment.ssrc:
                break
            segment = former
        if segment.first > number and former.ssrc == segment.ssrc:
            # It may be the one that has leapt, or one before it.
            before = abs(signed_difference(timestamp, former.timestamp, 32))
            if before < abs(signed_difference(timestamp, segment.first_timestamp, 32)):
                segment = former
        return segment.map(timestamp)

    def _leaps(
        self, ticks: int, timestamp: int, now: float, elapsed: float, *, may_precede: bool
    ) -> bool:
        step = signed_difference(timestamp, self._timestamp, 32) / self._rate
        assert self._end is not None
        if self._is_sound:
            back = (ticks - self._end) / self._rate < -OVERLAP_SECONDS
        else:
            back = step < -REORDERED_SECONDS if may_precede else step <= 0
        lateness = elapsed - ticks / self._rate
        ahead = self._lateness.value - lateness
        leaps = step > now - self._arrived + AHEAD_SECONDS and ahead > AHEAD_SECONDS
        # Sound without a gap may come faster than it is played; a clock alone may not.
        has_gap = not self._is_sound or (ticks - self._end) / self._rate > OVERLAP_SECONDS
        return back or leaps or (has_gap and lateness < -RUNAWAY_SECONDS)

    def _begin(self, ssrc: int, number: int, timestamp: int, elapsed: float) -> int:
        """Lay what comes where it arrived, or where reports say."""
        self._timeline.forget(self)
        self._excess = 0
        fastest = self._lateness.value
        ticks = round((elapsed - (0.0 if math.isinf(fastest) else fastest)) * self._rate)
        if self._end is not None:
            least, near = self._end, 0
            if self._is_sound:
                if self._segments and self._segments[-1].ssrc == ssrc:
                    least += (number - self._highest - 1) * self._length
                near = round(CONTIGUOUS_SECONDS * self._rate)
            else:
                least += round(SHORTEST_SECONDS * self._rate)
            ticks = least if ticks < least + near else ticks
        segment = _Segment(ssrc, number, timestamp, timestamp, ticks)
        self._segments.append(segment)
        if ssrc in self._reports:
            self._follow(segment, *self._reports.pop(ssrc))
            ticks = segment.ticks
        return ticks

    def _catch_up(self, segment: _Segment, ticks: int) -> int:
        """Lay it a little earlier, where sound has a pause, and between two pictures."""
        if moved := min(self._excess, self._room(ticks)):
            self._excess -= moved
            self._lay_behind(-moved)
            return ticks - moved
        return ticks

    def _lay_behind(self, ticks: int) -> None:
        """Lay what comes from now on later by this."""
        last = self._segments[-1]
        self._segments.append(
            _Segment(
                last.ssrc, self._highest + 1, last.timestamp, last.timestamp, last.ticks + ticks
            )
        )
        self._lateness.shift(-ticks / self._rate)
        self._drift.shift(ticks / self._rate)

    def report(self, ssrc: int, ntp: int, timestamp: int, now: float) -> None:
        """Take a sender report.

        Args:
            ssrc: whose it is.
            ntp: a time of the peer's wall clock, in 1/2^32 of a second; 0 for none.
            timestamp: the same time on the track's clock.
            now: when it came, in seconds.
        """
        if not ntp:
            return
        segment = self._segments[-1] if self._segments else None
        if segment is None or segment.ssrc != ssrc:
            self._reports[ssrc] = (ntp, timestamp)
            while len(self._reports) > REPORTS_KEPT:
                del self._reports[next(iter(self._reports))]
            return
        self._follow(segment, ntp, timestamp, now)

    def _follow(
        self, segment: _Segment, ntp: int, timestamp: int, now: float | None = None
    ) -> None:
        # Where the track will be once it is laid as far as the reports before have said.
        place = (segment.map(timestamp) - self._excess) / self._rate
        correction = self._timeline.report(self, ntp / NTP_UNITS - place, is_sound=self._is_sound)
        if abs(correction) < CORRECTION_SECONDS[self._is_sound]:
            return
        if now is None:
            # Nothing of this source has been laid anywhere yet.
            ticks = segment.ticks + round(correction * self._rate)
            ticks = ticks if self._end is None else max(ticks, self._end)
            self._timeline.shift(self, (ticks - segment.ticks) / self._rate)
            segment.ticks = ticks
            return
        self._lay_later(correction)

    def _lay_later(self, correction: float) -> None:
        """Lay what comes from now on later by this; or earlier, little by little."""
        if not correction:
            return
        self._timeline.shift(self, correction)
        later = correction - self._excess / self._rate
        self._excess = max(0, -round(later * self._rate))
        if later > 0:
            self._lay_behind(round(later * self._rate))

    def go_on_from(self, other: StreamClock) -> None:
        """Lay what comes behind what a clock of another rate has laid before."""
        if other._end is not None:
            self._end = -(-other._end * self._rate // other._rate)
        if not math.isinf(other._lateness.value):
            self._lateness, self._drift = other._lateness, other._drift
        self._reports = other._reports
        other.leave()

    def leave(self) -> None:
        """The track is over."""
        self._timeline.leave(self)
