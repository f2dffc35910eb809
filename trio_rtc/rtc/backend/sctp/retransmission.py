"""Retransmission of a handshake (RFC 9260, section 5.1), made for data channels.

aiortc 1.16 waits for 3 s, and then for 1 s at least, of what RFC 4960 had in mind. What is lost
later is the business of `machine.recovery`.
"""

from __future__ import annotations

import asyncio

from .large_packets import LargePackets
from .machine.rtt import RTO_INITIAL, RTO_MAX


class Retransmission(LargePackets):
    """A transport with these timers."""

    def _begin(self) -> None:
        super()._begin()
        self._rto = RTO_INITIAL

    # T1 is for INIT and COOKIE ECHO, which are sent until the connection is closed, as libwebrtc
    # does: an association that has been given up would never come back in a call that stands.

    def _t1_expired(self) -> None:
        self._rto = min(2 * self._rto, RTO_MAX)
        assert self._t1_chunk is not None
        asyncio.ensure_future(self._send_chunk(self._t1_chunk))  # noqa: RUF006  # As aiortc does.
        loop = asyncio.get_running_loop()
        self._t1_handle: asyncio.TimerHandle | None = loop.call_later(self._rto, self._t1_expired)
