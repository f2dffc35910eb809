"""Speech detection by energy."""

from __future__ import annotations

import math
from array import array
from operator import mul
from typing import Final

FULL_SCALE: Final = 32768

FLOOR_RISE: Final = 1.002
"""By what the noise floor rises with each block: 10 dB within 12 s, so that a fan that is switched
on is soon no speech."""


class EnergyDetector:
    """Tells speech from a quiet room by how loud it is. One is for one voice.

    Call it with one block after the other; True while somebody speaks. What is speech is louder
    than `level`, and by `margin` louder than the room, for `blocks` blocks in a row.

    Args:
        level: of the quietest speech, in dB below full scale (dBFS).
        margin: dB above the noise of the room.
        blocks: how many of 20 ms; a click is shorter.
    """

    def __init__(self, *, level: float = -45.0, margin: float = 10.0, blocks: int = 4):
        if level >= 0 or margin < 0 or blocks < 1:
            raise ValueError(
                "a level is below 0 dBFS, a margin 0 dB or more, and there is a block at least"
            )
        self._level = 10 ** (level / 20)
        self._margin = 10 ** (margin / 20)
        self._blocks = blocks
        self._floor = 1.0
        self._loud = 0

    def __call__(self, block: bytes) -> bool:
        loudness = _rms(block)
        # Of nothing at all no margin can be taken.
        self._floor = max(min(self._floor * FLOOR_RISE, loudness), 1 / FULL_SCALE)
        is_loud = loudness >= self._level and loudness >= self._floor * self._margin
        self._loud = self._loud + 1 if is_loud else 0
        return self._loud >= self._blocks


def _rms(block: bytes) -> float:
    """The root mean square of 16-bit samples; 1 for a square wave at full scale."""
    samples = array("h", block)
    if not samples:
        return 0.0
    return math.sqrt(sum(map(mul, samples, samples)) / len(samples)) / FULL_SCALE
