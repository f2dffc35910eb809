"""Retransmissions: a packet is sent again once a round trip, however often it is asked for.

What is asked for once more before the answer can have come would be sent twice. Where a queue is
what makes the round trip longer, that makes the queue longer still. aiortc 1.16 sends a packet
again at each request.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from aiortc.rtp import RTP_HISTORY_SIZE

from ..patches import can
from .congestion.media_path import path_of
from .encoder_failures import RenewingSender

FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 2.0
"""Seconds between two retransmissions, at first and at most, where nobody knows a round trip."""


class _LastTime(NamedTuple):
    number: int
    at: float
    wait: float


class RetransmissionLimit:
    """Which requests for packets of a source are to be answered. A pure machine."""

    def __init__(self) -> None:
        # By place in what aiortc keeps of the packets that it sends.
        self._last: dict[int, _LastTime] = {}

    def admit(self, number: int, round_trip: float | None, now: float) -> bool:
        """Whether a packet that is asked for is to be sent again now.

        Args:
            number: its sequence number, of 16 bits.
            round_trip: that of the path, in seconds, as it is now; without one each wait is twice
                as long as the one before (RFC 6298, section 5.5).
            now: the time.
        """
        last = self._last.get(number % RTP_HISTORY_SIZE)
        next_wait = FIRST_WAIT
        # After so long it is another packet of this number, or nobody's fault.
        if last is not None and last.number == number and now < last.at + LONGEST_WAIT:
            if now < last.at + (last.wait if round_trip is None else round_trip):
                return False
            next_wait = min(2 * last.wait, LONGEST_WAIT)
        self._last[number % RTP_HISTORY_SIZE] = _LastTime(number, now, next_wait)
        return True


class LimitedSender(RenewingSender):
    """A sender that sends no packet again before the answer to the last time can have come."""

    _limit: RetransmissionLimit | None = None

    async def _retransmit(self, sequence_number: int) -> None:
        if can("retransmissions"):
            if self._limit is None:
                self._limit = RetransmissionLimit()
            path = path_of(self.transport)
            round_trip = None if path is None else path.round_trip
            now = asyncio.get_running_loop().time()
            if not self._limit.admit(sequence_number, round_trip, now):
                return
        await super()._retransmit(sequence_number)
