"""Active RTP source of a track: one at a time, any other after it."""

from __future__ import annotations

from typing import Final

from .sequence import MAX_MISORDER, RESTART, SequenceNumbers

SILENT_SECONDS: Final = 0.2
"""After so long one that was there before may take over again."""

MOST_REMEMBERED: Final = 16


class ActiveSource:
    """Which of the sources that send in a media section is the track's, and its numbers.

    A source that has never been there takes over at once; one that was there before does when
    the active one is silent, or has said goodbye (BYE). So does the active one itself after its
    goodbye: it begins again where its numbers do not go on.

    Attributes:
        ssrc: the active one.
    """

    def __init__(self) -> None:
        self.ssrc: int | None = None
        self._numbers = SequenceNumbers()
        self._base = 0
        self._highest = 0
        self._arrived = 0.0
        self._has_left = False
        self._former: list[int] = []

    def accept(self, ssrc: int, number: int, now: float) -> int | None:
        """The number of a packet, that goes on through all sources; None if it is to be dropped."""
        if ssrc != self.ssrc:
            if ssrc in self._former and not (self._has_left or self._is_silent(now)):
                return None
            self._switch(ssrc)
        elif self._has_left:
            step = self._numbers.step(number)
            # One that the goodbye has overtaken is still of before.
            is_late = -MAX_MISORDER < step <= 0 and not self._is_silent(now)
            if step != 1 and not is_late:
                self._switch(ssrc)
            self._has_left = is_late
        unwrapped = self._numbers.unwrap(number)
        if unwrapped is None:
            return None
        self._arrived = now
        self._highest = max(self._highest, self._base + unwrapped)
        return self._base + unwrapped

    def _switch(self, ssrc: int) -> None:
        if self.ssrc is not None:
            self._former = [old for old in (*self._former, self.ssrc) if old != ssrc]
            del self._former[:-MOST_REMEMBERED]
            # Of so many bits that they do not show in what is said of a number.
            self._base = (self._highest + RESTART) & ~0xFFFF
        self.ssrc = ssrc
        self._has_left = False
        self._numbers = SequenceNumbers()

    def leave(self, ssrc: int) -> bool:
        """Take a BYE; tell whether it is the active source's."""
        if ssrc != self.ssrc:
            # One of before stays that: a straggler of it, too, takes nothing back.
            return False
        self._has_left = True
        return True

    def _is_silent(self, now: float) -> bool:
        return now >= self._arrived + SILENT_SECONDS
