"""The common timeline of a peer's tracks, by RTCP sender reports (RFC 3550, section 6.4.1).

It begins with the first of the peer's media, and until there are reports a track's place on it is
that of arrival. One track leads, sound before pictures: it stays where it is, and the
others are laid beside it. A report pairs a time of the peer's wall clock with one of the track's.
"""

from __future__ import annotations

from collections import deque
from typing import Final

REPORTS: Final = 5
"""How many of a track are looked at: the one that was sent the soonest after it was made."""

STEP_SECONDS: Final = 0.5
"""A difference between two reports that is a step of the peer's wall clock."""

SURE_SECONDS: Final = 0.1
"""A correction that one report alone is believed to tell; for a larger one it takes two."""

IMPLAUSIBLE_SECONDS: Final = 2.0
"""A difference to the order of arrival that no network makes: such a clock is not believed."""


class PeerTimeline:
    """Seconds since the first media of a peer came."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._reports: dict[object, deque[float]] = {}
        self._arrivals: dict[object, float] = {}
        self._leader: object | None = None
        self._leader_is_sound = False

    def elapsed(self, now: float) -> float:
        """Seconds since the first call of this."""
        if self._began is None:
            self._began = now
        return now - self._began

    def report(self, track: object, offset: float, *, is_sound: bool) -> float:
        """Take a report.

        Args:
            track: whose it is.
            offset: seconds that its wall clock is ahead of the track's place on the timeline.
            is_sound: what the track is of.

        Returns:
            seconds that the track has to be laid later, to be in sync with the one that leads.
        """
        reports = self._reports.setdefault(track, deque(maxlen=REPORTS))
        if reports and abs(offset - min(reports)) > STEP_SECONDS:
            reports.clear()
        reports.append(offset)
        self._may_lead(track, is_sound=is_sound)
        leading = self._reports.get(self._leader)
        if track is self._leader or not leading:
            return 0.0
        correction = min(reports) - min(leading)
        if abs(correction) > (SURE_SECONDS if len(reports) < 2 else IMPLAUSIBLE_SECONDS):
            return 0.0
        return correction

    def _may_lead(self, track: object, *, is_sound: bool) -> None:
        if self._leader is None or (is_sound and not self._leader_is_sound):
            self._leader, self._leader_is_sound = track, is_sound

    def arrive(self, track: object, lateness: float, *, is_sound: bool) -> float:
        """Without reports: how late the fastest of a track's media come by its place.

        What begins with a burst of older media has been laid too late by that.

        Returns:
            seconds that the track has to be laid later.
        """
        self._may_lead(track, is_sound=is_sound)
        self._arrivals[track] = lateness
        leading = self._arrivals.get(self._leader)
        if track is self._leader or leading is None:
            return 0.0
        if self._reports.get(track) and self._reports.get(self._leader):
            return 0.0
        correction = lateness - leading
        return correction if abs(correction) > SURE_SECONDS else 0.0

    def shift(self, track: object, seconds: float) -> None:
        """A track has been laid later by this, as its reports were understood to say."""
        if reports := self._reports.get(track):
            moved = [offset - seconds for offset in reports]
            reports.clear()
            reports.extend(moved)

    def forget(self, track: object) -> None:
        """What was reported of a track says nothing of what comes now."""
        self._reports.pop(track, None)

    def leave(self, track: object) -> None:
        """A track is over."""
        self.forget(track)
        self._arrivals.pop(track, None)
        if self._leader is track:
            self._leader, self._leader_is_sound = None, False
