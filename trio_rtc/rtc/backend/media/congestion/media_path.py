"""Media path: what the media of one DTLS transport tell of the path, and are told of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from aiortc import RTCDtlsTransport

from ....bridge.eager import start_eagerly
from .arrival_record import INTERVAL, ArrivalRecord
from .transport_feedback import split_compound


class MediaPath:
    """The congestion control of one transport.

    Args:
        transport: that of aiortc, over which packets and feedback go.
    """

    def __init__(self, transport: RTCDtlsTransport):
        self._transport: Any = transport
        self._record: ArrivalRecord | None = None
        self._telling: asyncio.TimerHandle | None = None

    def received(self, number: int, media_ssrc: int, own_ssrc: int) -> None:
        """Take note of a packet of the other side, for its transport-wide sequence number."""
        loop = asyncio.get_running_loop()
        if self._record is None:
            self._record = ArrivalRecord(own_ssrc)
        self._record.add(number, media_ssrc, loop.time())
        if self._telling is None:
            self._telling = loop.call_later(INTERVAL, self._tell)

    def received_rtcp(self, data: bytes) -> bytes:
        """Take the feedback out of a compound packet; return the rest, which may be empty.

        aiortc 1.16 takes one that is padded for a broken NACK, and drops the whole.
        """
        _, rest = split_compound(data)
        return rest

    def _tell(self) -> None:
        self._telling = None
        assert self._record is not None
        for feedback in self._record.feedback(asyncio.get_running_loop().time()):
            start_eagerly(self._send(bytes(feedback)))

    async def _send(self, data: bytes) -> None:
        # It may have been closed meanwhile.
        with suppress(ConnectionError):
            await self._transport._send_rtp(data)

    def close(self) -> None:
        """Tell nothing any more."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None


def path_of(transport: RTCDtlsTransport) -> MediaPath | None:
    """That of a transport; None if there is none, as without the purpose ``congestion``."""
    path: MediaPath | None = getattr(transport, "media_path", None)
    return path
