"""Sound encoding on the loop, where sound is sent.

aiortc 1.16 hands each 20 ms to a thread and takes it back, which takes nearly as long as Opus needs
to encode them. And it goes over the samples in Python to tell their level (RFC 6464). What this
needs of it that is not public is listed in `ledger`.
"""

from __future__ import annotations

import math
from array import array
from typing import Any, Final

from aiortc import RTCRtpSender
from aiortc.codecs import get_encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from av import AudioFrame

from ..patches import can
from .receiving.sound.sound_decoding import is_opus
from .sender_reports import TimedSender

FULL_SCALE: Final = 32_767
SILENCE: Final = -127


def encode_here(sender: RTCRtpSender) -> None:
    """Have a sender of sound encode it on the loop."""
    if can("sound"):
        sender.__class__ = _SoundSender


class _SoundSender(TimedSender):
    async def _encode_next(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        private: Any = self
        if not is_opus(codec):
            return await super()._encode_next(codec)
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


def audio_level(frame: AudioFrame) -> int:
    """That of a frame with 16 bits, in dBov: from -127 to 0 (RFC 6464, section 3)."""
    samples = array("h", bytes(frame.planes[0]))
    # The root of the sum of squares.
    amplitude = math.hypot(*samples) / math.sqrt(max(len(samples), 1)) / FULL_SCALE
    if not amplitude:
        return SILENCE
    return round(min(max(20 * math.log10(amplitude), SILENCE), 0))
