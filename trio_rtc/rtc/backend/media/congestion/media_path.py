"""Media path: what the media of one DTLS transport tell of the path, and are told of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from aiortc import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters
from aiortc.rtp import is_rtcp

from ....bridge.eager import start_eagerly
from .arrival_record import INTERVAL, ArrivalRecord
from .bandwidth_estimate import BandwidthEstimate
from .media_pacer import MediaPacer
from .numbered_packets import TIME_URI, URI, places, stamped
from .sent_packets import SentPackets
from .transport_feedback import TransportFeedback, split_compound

logger = logging.getLogger("trio_rtc.rtc")

BEHIND: Final = 0.1
"""Seconds of packets that wait for their time, after which a picture is left out."""

ACTIVE: Final = 2.0
"""Seconds after which one that asked for its share has none any more."""


ROUND_TRIP_KEPT: Final = 2.0
"""Seconds without feedback after which nobody knows a round trip any more."""


class MediaPath:
    """The congestion control of one transport.

    Args:
        transport: that of aiortc, over which packets and feedback go.
    """

    def __init__(self, transport: RTCDtlsTransport):
        self._transport: Any = transport
        self._record: ArrivalRecord | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._number_id: int | None = None
        self._time_id: int | None = None
        self._sent = SentPackets()
        self._estimate = BandwidthEstimate()
        self._pacer = MediaPacer(self._estimate.rate)
        self._sending: asyncio.TimerHandle | None = None
        self._shares: dict[object, float] = {}
        self._round_trip: tuple[float, float] | None = None

    # What the other side sends.

    def received(self, number: int, media_ssrc: int, own_ssrc: int) -> None:
        """Take note of a packet of the other side, for its transport-wide sequence number."""
        loop = asyncio.get_running_loop()
        if self._record is None:
            self._record = ArrivalRecord(own_ssrc)
        self._record.add(number, media_ssrc, loop.time())
        if self._telling is None:
            self._telling = loop.call_later(INTERVAL, self._tell)

    def _tell(self) -> None:
        self._telling = None
        assert self._record is not None
        for feedback in self._record.feedback(asyncio.get_running_loop().time()):
            start_eagerly(self._send(bytes(feedback)))

    # What we send.

    def configure(self, extensions: Sequence[RTCRtpHeaderExtensionParameters]) -> None:
        """Learn the ids of what was negotiated for a sender: they are those of the transport."""
        ids = {extension.uri: extension.id for extension in extensions}
        if URI in ids:
            self._number_id, self._time_id = ids[URI], ids.get(TIME_URI)

    def take(self, packet: bytes) -> bool:
        """Send a packet of RTP when its time has come; False if it has no place for a number."""
        if self._number_id is None or is_rtcp(packet):
            return False
        if not places(packet, self._number_id, self._time_id).number:
            return False
        self._pacer.add(packet, asyncio.get_running_loop().time())
        if self._sending is None:
            self._send_due()
        return True

    def _send_due(self) -> None:
        loop = asyncio.get_running_loop()
        self._sending = None
        now = loop.time()
        while (packet := self._pacer.take(now)) is not None:
            assert self._number_id is not None
            at = places(packet, self._number_id, self._time_id)
            number = self._sent.add(len(packet), now)
            start_eagerly(self._send(stamped(packet, at, number, now)))
        wait = self._pacer.wait(now)
        if wait is not None:
            self._sending = loop.call_later(wait, self._send_due)

    def received_rtcp(self, data: bytes) -> bytes:
        """Take the feedback out of a compound packet; return the rest, which may be empty.

        aiortc 1.16 takes one that is padded for a broken NACK, and drops the whole.
        """
        found, rest = split_compound(data)
        for message in found:
            try:
                feedback = TransportFeedback.parse(message)
            except ValueError as error:
                logger.debug("%s", error)
                continue
            now = asyncio.get_running_loop().time()
            results = self._sent.take(feedback)
            if results:
                self._round_trip = now, now - max(result.sent for result in results)
            self._estimate.take(results, now)
            self._pacer.follow(self._estimate.rate)
        return rest

    def share(self, of: object) -> int | None:
        """The bits a second that one of those may send that ask for this before each picture.

        None: the other side tells nothing, and never has.
        """
        if self._number_id is None:
            return None
        now = asyncio.get_running_loop().time()
        self._estimate.be_without(now)
        self._pacer.follow(self._estimate.rate)
        self._shares[of] = now
        self._shares = {each: at for each, at in self._shares.items() if at > now - ACTIVE}
        return int(self._estimate.rate / len(self._shares))

    def trust_arrivals(self) -> None:
        """Have so much be carried as arrives, for what is sent does not follow the estimate."""
        self._estimate.trusts_arrivals = True

    @property
    def is_congested(self) -> bool:
        """Whether lately more was sent than the path carries."""
        return self._estimate.is_congested(asyncio.get_running_loop().time())

    @property
    def is_behind(self) -> bool:
        """Whether so much waits that a picture of now would only make those after it late."""
        return self._pacer.backlog(asyncio.get_running_loop().time()) > BEHIND

    @property
    def round_trip(self) -> float | None:
        """Seconds from sending a packet to feedback of it, as last seen; None if it is long ago."""
        now = asyncio.get_running_loop().time()
        if self._round_trip is None or self._round_trip[0] < now - ROUND_TRIP_KEPT:
            return None
        return self._round_trip[1]

    async def _send(self, packet: bytes) -> None:
        # It may have been closed meanwhile.
        with suppress(ConnectionError):
            await self._transport.send_now(packet)

    def close(self) -> None:
        """Tell nothing, and send nothing, any more."""
        self._pacer.clear()
        for timer in (self._telling, self._sending):
            if timer is not None:
                timer.cancel()
        self._telling = self._sending = None


def path_of(transport: RTCDtlsTransport) -> MediaPath | None:
    """That of a transport; None if there is none, as without the purpose ``congestion``."""
    path: MediaPath | None = getattr(transport, "media_path", None)
    return path
