"""RTP sequence numbers and timestamps without wraps (RFC 3550, section 5.1 and appendix A.1)."""

from __future__ import annotations

from typing import Final

MAX_DROPOUT: Final = 3000
"""Sequence numbers that may be skipped at once, and `MAX_MISORDER` how late a packet may come."""

MAX_MISORDER: Final = 1000

RESTART: Final = 1 << 20
"""How far the numbers go on where a source has begun again: more than any buffer fills."""


def signed_difference(new: int, old: int, bits: int) -> int:
    """``new - old`` modulo 2^bits, as the nearest one: over the half it is a step back."""
    half = 1 << (bits - 1)
    return ((new - old + half) & ((1 << bits) - 1)) - half


class SequenceNumbers:
    """The sequence numbers of one source, which count on where 16 bits wrap.

    A source that begins again elsewhere is believed at its second packet in a row: one alone may
    be anything.
    """

    def __init__(self) -> None:
        self._highest: int | None = None
        self._suspect: int | None = None

    def step(self, number: int) -> int:
        """How far a packet is from the highest one."""
        return 1 if self._highest is None else signed_difference(number, self._highest & 0xFFFF, 16)

    def unwrap(self, number: int) -> int | None:
        """The number of a packet; None for one that belongs nowhere."""
        if self._highest is None:
            self._highest = number
            return number
        step = self.step(number)
        if -MAX_MISORDER < step < MAX_DROPOUT:
            unwrapped = self._highest + step
        elif number == self._suspect:
            unwrapped = ((self._highest + RESTART) & ~0xFFFF) | number
        else:
            self._suspect = (number + 1) & 0xFFFF
            return None
        self._suspect = None
        self._highest = max(self._highest, unwrapped)
        return unwrapped
