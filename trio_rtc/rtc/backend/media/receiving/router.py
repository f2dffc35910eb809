"""RTP demultiplexing (RFC 9143, section 9.2): by MID, or else by source."""

from __future__ import annotations

from typing import Any, Final, cast

from aiortc.rtcdtlstransport import RtpReceiver, RtpRouter
from aiortc.rtp import RtpPacket

MOST_SOURCES: Final = 256
"""How many sources of a transport are known at most."""


def install(transport: Any) -> None:
    """Have a DTLS transport find the receiver of packets whose source nobody has signaled."""
    transport._rtp_router.__class__ = _MidRouter


class _MidRouter(RtpRouter):
    def route_rtp(self, packet: RtpPacket) -> RtpReceiver | None:
        named = self.mid_table.get(packet.extensions.mid) if packet.extensions.mid else None
        if named is not None and self.ssrc_table.get(packet.ssrc) is not named:
            self.ssrc_table[packet.ssrc] = named
        found = super().route_rtp(packet)
        while len(self.ssrc_table) > MOST_SOURCES:
            del self.ssrc_table[next(iter(self.ssrc_table))]
        # What nobody can decode has a sequence number all the same, which is not to be missed.
        return cast(RtpReceiver, found or self.ssrc_table.get(packet.ssrc))
