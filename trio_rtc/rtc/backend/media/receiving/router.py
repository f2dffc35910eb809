"""RTP demultiplexing (RFC 9143, section 9.2): by MID, or else by source.

A media section is used for one track after another, each with a source of its own. Signaling may
be faster than media: what is still under way of the track before must not be taken for the next
one's, which its goodbye (BYE) would end.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from aiortc.rtcdtlstransport import RtpReceiver, RtpRouter
from aiortc.rtp import RtpPacket

MOST_SOURCES: Final = 256
"""How many sources of a transport are known at most."""

STRAGGLING_SECONDS: Final = 2.0
"""How long packets of a source whose track has ended may be under way."""


def install(transport: Any) -> None:
    """Have a DTLS transport find the receiver of packets whose source nobody has signaled."""
    if not isinstance(transport._rtp_router, _MidRouter):
        transport._rtp_router.__class__ = _MidRouter
        transport._rtp_router._over = {}


class _MidRouter(RtpRouter):
    #: Sources whose tracks have ended, and until when packets of theirs are of those.
    _over: dict[int, float]

    def unregister_receiver(self, receiver: RtpReceiver) -> None:
        now = asyncio.get_running_loop().time()
        self._over = {ssrc: until for ssrc, until in self._over.items() if until > now}
        for ssrc, known in self.ssrc_table.items():
            if known is receiver:
                self._over[ssrc] = now + STRAGGLING_SECONDS
        while len(self._over) > MOST_SOURCES:
            del self._over[next(iter(self._over))]
        super().unregister_receiver(receiver)

    def route_rtp(self, packet: RtpPacket) -> RtpReceiver | None:
        until = self._over.get(packet.ssrc, 0.0)
        # Some use a source again, and say so: such a one is known.
        if until and packet.ssrc not in self.ssrc_table:
            if asyncio.get_running_loop().time() < until:
                return None
            del self._over[packet.ssrc]
        named = self.mid_table.get(packet.extensions.mid) if packet.extensions.mid else None
        if named is not None and self.ssrc_table.get(packet.ssrc) is not named:
            self.ssrc_table[packet.ssrc] = named
        found = super().route_rtp(packet)
        while len(self.ssrc_table) > MOST_SOURCES:
            del self.ssrc_table[next(iter(self.ssrc_table))]
        # What nobody can decode has a sequence number all the same, which is not to be missed.
        return cast(RtpReceiver, found or self.ssrc_table.get(packet.ssrc))
