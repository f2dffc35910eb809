"""Video encoders whose keyframes fit a path, and which go as low as that.

aiortc 1.16 opens another codec whenever the bitrate changes by a tenth, and that begins with a
keyframe of any size: at 1 Mbit/s one of 40 kB alone takes a third of a second. It never goes below
250 kbit/s with VP8, or 500 with H264, whatever the path carries.
"""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any, Final

import av
from aiortc.codecs import get_encoder
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder, number_of_threads
from aiortc.mediastreams import VIDEO_CLOCK_RATE, VIDEO_TIME_BASE, convert_timebase
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av import VideoFrame

from ..patches import can

LEAST_BITRATE: Final = 50_000
FRAMES: Final = 30
"""In a second, at which a codec is to work."""

KEYFRAME_PERCENT: Final = 500
"""Of a keyframe, where those of other pictures are 100 on average: it is to have gone within the
time in which nobody sees a standstill."""

BUFFER_SECONDS: Final = 0.4
"""How much of what was not used up a picture may use."""

MOST_STEP: Final = VIDEO_CLOCK_RATE // 10
"""The time from one picture to the next, as the encoder sees it at most: of pictures that were left
out, because there was too much to send, the next one is not to take the place."""

LEAST_FALL: Final = 0.95
LEAST_RISE: Final = 1.1
"""Times its bitrate, before another codec is opened: too much waits to be sent, or is lost, and a
little less than could be sent does no harm."""


def video_encoder(codec: RTCRtpCodecParameters) -> Encoder:
    """One for a codec that was negotiated."""
    encoder = get_encoder(codec)
    if can("bitrate"):
        if isinstance(encoder, Vp8Encoder):
            return _FittingVp8()
        if isinstance(encoder, H264Encoder):
            return _FittingH264()
    return encoder


class _Fitting:
    """What both have in common: aiortc's find a codec that is open, and as they would have it."""

    codec: Any
    _rate: int
    _most: int
    _last: int | None = None
    _clock = 0

    @property
    def target_bitrate(self) -> int:
        """In bits a second."""
        return self._rate

    @target_bitrate.setter
    def target_bitrate(self, bitrate: int) -> None:
        self._rate = max(LEAST_BITRATE, min(bitrate, self._most))

    def _retime(self, frame: VideoFrame) -> int:
        """Have a frame have a time for the encoder; return its RTP timestamp."""
        assert frame.pts is not None
        assert frame.time_base is not None
        timestamp: int = convert_timebase(frame.pts, frame.time_base, VIDEO_TIME_BASE)
        if self._last is not None:
            self._clock += max(min(timestamp - self._last, MOST_STEP), 1)
        self._last = timestamp
        frame.pts, frame.time_base = self._clock, VIDEO_TIME_BASE
        return timestamp

    def _fits(self, frame: VideoFrame) -> bool:
        codec = self.codec
        return (
            codec is not None
            and (codec.width, codec.height) == (frame.width, frame.height)
            and LEAST_FALL * codec.bit_rate <= self._rate <= LEAST_RISE * codec.bit_rate
        )

    def _open(self, name: str, frame: VideoFrame, options: dict[str, object]) -> Any:
        codec: Any = av.CodecContext.create(name, "w")
        codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuv420p"
        codec.bit_rate = self._rate
        codec.options = {key: str(value) for key, value in options.items()}
        return codec


class _FittingVp8(_Fitting, Vp8Encoder):
    def __init__(self) -> None:
        super().__init__()
        self._rate, self._most = 500_000, 1_500_000

    def encode(self, frame: Any, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        if not self._fits(frame):
            rate = self._rate
            # The settings of aiortc, for a constant bitrate, but for the first and the buffer.
            codec = self._open(
                "libvpx",
                frame,
                {
                    "max-intra-rate": KEYFRAME_PERCENT,
                    "minrate": rate,
                    "maxrate": rate,
                    "bufsize": int(rate * BUFFER_SECONDS),
                    "deadline": "realtime",
                    "cpu-used": -6,
                    "lag-in-frames": 0,
                    "overshoot-pct": 15,
                    "undershoot-pct": 100,
                    "static-thresh": 1,
                    "noise-sensitivity": 4,
                    "partitions": 0,
                },
            )
            codec.gop_size, codec.qmin, codec.qmax = 3000, 2, 56
            # Threads of libvpx wait for each other by looking again and again. Where one is not
            # run, the others only burn what it needs: a picture took 400 ms instead of 9.
            cores = (os.cpu_count() or 1) // 2
            codec.thread_count = number_of_threads(frame.width * frame.height, cores)
            self.codec = codec
        timestamp = self._retime(frame)
        return super().encode(frame, force_keyframe)[0], timestamp


class _FittingH264(_Fitting, H264Encoder):
    def __init__(self) -> None:
        super().__init__()
        self._rate, self._most = 1_000_000, 3_000_000

    def encode(self, frame: Any, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        if not self._fits(frame):
            buffer = self._rate * KEYFRAME_PERCENT // 100 // FRAMES
            codec = self._open(
                "libx264",
                frame,
                {"level": 31, "tune": "zerolatency", "maxrate": self._rate, "bufsize": buffer},
            )
            codec.framerate, codec.time_base = Fraction(FRAMES), Fraction(1, FRAMES)
            codec.profile = "Baseline"
            self.codec, self.buffer_data, self.buffer_pts = codec, b"", None
        timestamp = self._retime(frame)
        return super().encode(frame, force_keyframe)[0], timestamp
