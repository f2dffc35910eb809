"""Reception statistics for receiver reports (RFC 3550, section 6.4.1 and appendix A)."""

from __future__ import annotations

from typing import Any, Final

from aiortc import clock
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtpPacket

from .sequence import MAX_DROPOUT, MAX_MISORDER, signed_difference

MOST_SOURCES: Final = 8
"""How many sources are reported at most; a packet has room for 31."""

LEAP_SECONDS: Final = 10
"""A difference that tells of another clock, and of no network."""


class Reception:
    """Notes packets where aiortc's receivers look for that: as in its reports and statistics."""

    def note(self, receiver: Any, packet: RtpPacket, rate: int) -> None:
        """Take note of a packet of any of a receiver's sources."""
        streams = receiver._RTCRtpReceiver__remote_streams
        if packet.ssrc not in streams:
            streams[packet.ssrc] = _ReceptionStatistics(rate)
            _keep(streams, MOST_SOURCES)
        streams[packet.ssrc].add(packet)
        active = receiver._RTCRtpReceiver__active_ssrc
        active.pop(packet.ssrc, None)
        active[packet.ssrc] = clock.current_datetime()
        _keep(active, MOST_SOURCES)

    def put_last(self, receiver: Any, ssrc: int) -> None:
        """Have a source be the one of which statistics tell.

        aiortc 1.16 tells of each source under one name, so that the last one is left: that of what
        is sent again, otherwise.
        """
        streams = receiver._RTCRtpReceiver__remote_streams
        if ssrc in streams:
            streams[ssrc] = streams.pop(ssrc)


def _keep(entries: dict[int, Any], count: int) -> None:
    while len(entries) > count:
        del entries[next(iter(entries))]


class _ReceptionStatistics(StreamStatistics):
    """Those of aiortc, where a wrap or a leap is no jitter, and a beginning no loss."""

    def add(self, packet: RtpPacket) -> None:
        self._rebase(packet.sequence_number)
        timestamp, arrival, jitter = self._last_timestamp, self._last_arrival, self._jitter_q4
        super().add(packet)
        last = self._last_arrival
        if timestamp is None or arrival is None or last is None or self._jitter_q4 == jitter:
            return
        step = signed_difference(packet.timestamp, timestamp, 32)
        transit = abs(last - arrival - step)
        if transit > LEAP_SECONDS * self._clockrate:
            self._jitter_q4 = jitter
        else:
            self._jitter_q4 = jitter + transit - ((jitter + 8) >> 4)

    def _rebase(self, number: int) -> None:
        """Where a source begins again, nothing was lost in between (RFC 3550, appendix A.1)."""
        if self.max_seq is None:
            return
        if not -MAX_MISORDER < signed_difference(number, self.max_seq, 16) < MAX_DROPOUT:
            expected = self.packets_expected
            self.cycles, self.max_seq = 0, (number - 1) & 0xFFFF
            self.base_seq = self.max_seq + 1 - expected
