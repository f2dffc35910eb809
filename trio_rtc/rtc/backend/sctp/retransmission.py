"""Retransmission timeouts of SCTP (RFC 9260, section 6.3), made for data channels.

aiortc 1.16 waits for 3 s, and then for 1 s at least, of what RFC 4960 had in mind; whoever loses a
packet of a handshake or a chat waits as long. Browsers have the floors that are here. Its T3 never
backs off.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiortc import RTCSctpTransport

from .large_packets import LargePackets
from .timer import Timer

RTO_INITIAL: Final = 0.5
RTO_MIN: Final = 0.4
"""Above the 200 ms for which an acknowledgement may wait in other stacks."""

RTO_MAX: Final = 3.0
"""As in libwebrtc: who is back after an interruption is not to wait for a minute."""


class Retransmission(LargePackets):
    """A transport with these timers."""

    def _begin(self) -> None:
        super()._begin()
        self._t3 = Timer(asyncio.get_running_loop(), self._t3_expired)
        self._rto = RTO_INITIAL

    def _set_state(self, state: RTCSctpTransport.State) -> None:
        super()._set_state(state)
        if state is self.State.ESTABLISHED:
            self._rto = self._measured_rto()
        elif state is self.State.CLOSED:
            self._t3.close()

    def _update_rto(self, R: float) -> None:  # noqa: N803
        super()._update_rto(R)
        self._rto = self._measured_rto()

    def _measured_rto(self) -> float:
        if self._srtt is None or self._rttvar is None:
            return RTO_INITIAL
        return min(max(RTO_MIN, self._srtt + 4 * self._rttvar), RTO_MAX)

    def _back_off(self) -> None:
        """Wait twice as long, until something has been measured again (section 6.3.3, E2)."""
        self._rto = min(2 * self._rto, RTO_MAX)

    def _begin_anew(self) -> None:
        super()._begin_anew()
        self._rto = self._measured_rto()
        if self._t3_handle:
            # What was lost on the path before is not to wait as long as that was bad.
            self._t3_restart()

    # T1 is for INIT and COOKIE ECHO, which are sent until the connection is closed, as libwebrtc
    # does: an association that has been given up would never come back in a call that stands.

    def _t1_expired(self) -> None:
        self._back_off()
        assert self._t1_chunk is not None
        asyncio.ensure_future(self._send_chunk(self._t1_chunk))  # noqa: RUF006  # As aiortc does.
        loop = asyncio.get_running_loop()
        self._t1_handle: asyncio.TimerHandle | None = loop.call_later(self._rto, self._t1_expired)

    # T3 is for data. It is restarted by each acknowledgement, and hardly ever expires.

    def _t3_start(self) -> None:
        self._t3_restart()

    def _t3_restart(self) -> None:
        self._t3.start(self._rto)
        self._t3_handle: Any = self._t3

    def _t3_cancel(self) -> None:
        self._t3.cancel()
        self._t3_handle = None

    def _t3_expired(self) -> None:
        super()._t3_expired()
        self._back_off()
        # What is lost for so long may be too large.
        LargePackets._begin_anew(self)
