"""Encoders that fail: another one goes on, and a track whose encoders all fail ends.

aiortc 1.16 ends a track with the first error of its encoder. What this needs of it that is not
public is listed in `ledger`.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import av
from aiortc import RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame

from .video_encoders import video_encoder

logger = logging.getLogger("trio_rtc.rtc")

MOST_FAILURES: Final = 5
"""How many frames in a row an encoder may fail at, a new one each time."""


class RenewingSender(RTCRtpSender):
    """A sender whose encoder is replaced when it fails: what it failed at is left out."""

    _failures = 0

    async def _next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        private: Any = self
        try:
            frame = await self._encode_next(codec)
        except av.FFmpegError as error:
            self._failures += 1
            if self._failures == 1:
                logger.warning("the encoder of %s failed: %s", codec.name, error)
            if self._failures >= MOST_FAILURES:
                logger.warning("no encoder of %s works: the track ends", codec.name)
                raise MediaStreamError from error
            private._RTCRtpSender__encoder = None
            return None
        if frame is not None:
            self._failures = 0
        return frame

    async def _encode_next(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        private: Any = self
        if self.kind == "video" and private._RTCRtpSender__encoder is None:
            private._RTCRtpSender__encoder = video_encoder(codec)
        frame: RTCEncodedFrame | None = await super()._next_encoded_frame(codec)
        return frame
