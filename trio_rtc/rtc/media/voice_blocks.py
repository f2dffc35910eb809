"""Blocks of equal length from received sound, with silence where nothing was said.

A recogniser of speech wants sound without holes and in time: it hears the end of a sentence by the
silence after it. A sender that pauses (DTX, a track that is muted) sends none, and a path that
stands still sends everything late. So silence is given while nothing comes, and what was given too
much of it is taken from later pauses: of what was said nothing is lost.
"""

from __future__ import annotations

import math
from typing import Final

BLOCK_SECONDS: Final = 0.02

PATIENCE: Final = 0.1
"""Seconds without sound, after which there is silence: more than a receive buffer varies by."""

TOLERANCE: Final = 0.005
"""Seconds that times of frames are off by their rounding."""

LONGEST_BURST: Final = 0.5
"""Seconds of sound that come at once after a stand-still; more is a clock that is quicker."""

LONGEST_GAP: Final = 10.0
"""Seconds; times that are further apart are those of a clock that has leapt."""


class VoiceBlocks:
    """Cuts 16-bit mono PCM into blocks of 20 ms. Times are in seconds.

    Args:
        rate: samples per second.
    """

    def __init__(self, rate: int):
        self._rate = rate
        self._size = round(rate * BLOCK_SECONDS) * 2
        self._rest = bytearray()
        #: Where the sound known so far ends: by its own times, and by our clock.
        self._next: float | None = None
        self._ends: float | None = None
        #: Silence given for which no gap in the times has been seen.
        self._ahead = 0.0

    def put(self, pcm: bytes, time: float | None, now: float) -> list[bytes]:
        """Take the sound of a frame, and give the blocks that are whole.

        Args:
            pcm: its samples.
            time: that of the frame; None if it has none.
            now: when it came.
        """
        length = len(pcm) / 2 / self._rate
        if time is not None:
            if self._next is not None and TOLERANCE < (gap := time - self._next) <= LONGEST_GAP:
                given = min(gap, self._ahead)
                self._ahead -= given
                self._rest += self._silence(gap - given)
            self._next = time + length
        elif self._next is not None:
            self._next += length
        # Frames that come together are heard one after the other.
        self._ends = min(max(now, self._ends or now), now + LONGEST_BURST) + length
        self._rest += pcm
        return self._cut()

    def silence_due(self) -> float:
        """When `pause` is to be called, if no sound comes before; never before the first sound."""
        return math.inf if self._ends is None else self._ends + PATIENCE

    def pause(self, now: float) -> list[bytes]:
        """Give the silence that is due."""
        if self._ends is None:
            return []
        while now >= self._ends + PATIENCE:
            self._rest += self._silence(BLOCK_SECONDS)
            self._ends += BLOCK_SECONDS
            self._ahead += BLOCK_SECONDS
        return self._cut()

    def _silence(self, seconds: float) -> bytes:
        return bytes(2 * round(seconds * self._rate))

    def _cut(self) -> list[bytes]:
        whole = len(self._rest) - len(self._rest) % self._size
        blocks = [bytes(self._rest[at : at + self._size]) for at in range(0, whole, self._size)]
        del self._rest[:whole]
        return blocks
