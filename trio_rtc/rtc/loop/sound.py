"""Sound is encoded and decoded on the loop, where it is sent and received.

aiortc 1.16 hands each 20 ms to a thread and takes it back, which takes nearly as long as Opus needs
to encode them, and three times as long as to decode them. And it goes over the samples in Python
to tell their level (RFC 6464). What this needs of it that is not public is listed in `private`.
"""

from __future__ import annotations

import logging
import math
from array import array
from typing import Any, Final

import av
from aiortc import RTCRtpReceiver, RTCRtpSender
from aiortc.codecs import get_decoder, get_encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from av import AudioFrame

from .private import can

logger = logging.getLogger("trio_rtc.rtc")

FULL_SCALE: Final = 32_767
SILENCE: Final = -127


def encode_here(sender: RTCRtpSender) -> None:
    """Have a sender of sound encode it on the loop."""
    if can("sound"):
        sender.__class__ = _Sender


def decode_here(receiver: RTCRtpReceiver) -> None:
    """Have a receiver of sound decode it on the loop."""
    if can("sound"):
        private: Any = receiver
        private._RTCRtpReceiver__decoder_queue = _Decoding(receiver)


class _Sender(RTCRtpSender):
    async def _next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        private: Any = self
        if not _is_opus(codec):
            frame: RTCEncodedFrame | None = await super()._next_encoded_frame(codec)
            return frame
        data = await private.track.recv()
        if not private._enabled:
            return None
        encoder = private._RTCRtpSender__encoder
        if encoder is None:
            encoder = private._RTCRtpSender__encoder = get_encoder(codec)
        if isinstance(data, AudioFrame):
            level: Any = audio_level(data)
            payloads, timestamp = encoder.encode(data)
        else:
            level = None
            payloads, timestamp = encoder.pack(data)
        return RTCEncodedFrame(payloads, timestamp, level) if payloads else None


class _Decoding:
    """In the place of the queue to the thread that decodes: what is put there is decoded here."""

    def __init__(self, receiver: Any):
        self._receiver = receiver
        self._queue = receiver._RTCRtpReceiver__decoder_queue
        self._decoder: Any = None

    def get(self) -> Any:
        """For the thread: what it is to do all the same, which is mostly to end."""
        return self._queue.get()

    def put(self, task: Any) -> None:
        if task is None or not _is_opus(task[0]):
            self._queue.put(task)
            return
        codec, encoded = task
        if self._decoder is None:
            self._decoder = get_decoder(codec)
        try:
            frames = self._decoder.decode(encoded)
        except av.FFmpegError as error:
            logger.debug("a packet of sound cannot be decoded: %s", error)
            return
        for frame in frames:
            self._receiver._track._queue.put_nowait(frame)


def _is_opus(codec: RTCRtpCodecParameters) -> bool:
    return bool(codec.name.lower() == "opus")


def audio_level(frame: AudioFrame) -> int:
    """That of a frame with 16 bits, in dBov: from -127 to 0 (RFC 6464, section 3)."""
    samples = array("h", bytes(frame.planes[0]))
    # The root of the sum of squares.
    amplitude = math.hypot(*samples) / math.sqrt(max(len(samples), 1)) / FULL_SCALE
    if not amplitude:
        return SILENCE
    return round(min(max(20 * math.log10(amplitude), SILENCE), 0))
