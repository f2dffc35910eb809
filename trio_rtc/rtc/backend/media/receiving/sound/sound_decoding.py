"""Sound decoders that can also conceal what is lost."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, Protocol, cast

import av
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av import AudioFrame

from . import opus
from .playout import Concealment, SoundPacket

FADE: Final = 0.5
"""What is left of the loudness after each piece that repeats the last one."""


class SoundDecoder(Protocol):
    """A decoder of one track: frames have their place on the track's clock."""

    def decode(self, packet: SoundPacket) -> AudioFrame | None:
        """The sound of a packet; None if there is none in it.

        Raises:
            ValueError: it cannot be decoded.
        """

    def conceal(self, concealment: Concealment) -> AudioFrame | None:
        """What stands for a packet that is lost."""


def sound_decoder(codec: RTCRtpCodecParameters) -> SoundDecoder:
    """One for a codec that was negotiated."""
    if is_opus(codec) and opus.has_libopus():
        return _Opus()
    return _Repeating(codec)


def sound_length(codec: RTCRtpCodecParameters) -> Callable[[bytes], int]:
    """What tells how many ticks of its clock are in a packet; it raises ValueError for none."""
    # G.711 and G.722 have a byte for each tick (RFC 3551, sections 4.5.2 and 4.5.14).
    return opus.opus_samples if is_opus(codec) else len


def is_opus(codec: RTCRtpCodecParameters) -> bool:
    """Whether sound is encoded as Opus."""
    return bool(codec.name.lower() == "opus")


class _Opus:
    def __init__(self) -> None:
        self._decoder = opus.OpusDecoder()

    def decode(self, packet: SoundPacket) -> AudioFrame | None:
        return self._frame(self._decoder.decode(packet.payload), packet.time)

    def conceal(self, concealment: Concealment) -> AudioFrame | None:
        following = concealment.following
        payload = None if following is None else following.payload
        return self._frame(self._decoder.conceal(concealment.length, payload), concealment.time)

    def _frame(self, samples: memoryview, time: int) -> AudioFrame:
        frame = AudioFrame("s16", "stereo", len(samples) // opus.SAMPLE_BYTES)
        frame.planes[0].update(cast(Any, samples))  # Any buffer will do.
        return _placed(frame, time, opus.RATE)


class _Repeating:
    """Any codec that FFmpeg decodes: what is lost sounds like what was before, and fades."""

    def __init__(self, codec: RTCRtpCodecParameters):
        self._decoder: Any = get_decoder(codec)
        self._rate = codec.clockRate
        self._last: AudioFrame | None = None
        self._loudness = 1.0

    def decode(self, packet: SoundPacket) -> AudioFrame | None:
        try:
            frames = self._decoder.decode(JitterFrame(data=packet.payload, timestamp=packet.time))
        except av.FFmpegError as error:
            raise ValueError(
                f"FFmpeg cannot decode {len(packet.payload)} bytes: {error}"
            ) from error
        if not frames:
            return None
        # A packet is a frame to each of these codecs.
        self._last, self._loudness = frames[0], 1.0
        return self._place(frames[0], packet.time)

    def conceal(self, concealment: Concealment) -> AudioFrame | None:
        last = self._last
        if last is None:
            return None
        count = concealment.length * last.sample_rate // self._rate
        channels = len(last.layout.channels)
        old = array("h", bytes(last.planes[0])[: last.samples * channels * 2])
        frame = AudioFrame("s16", last.layout.name, count)
        start, total = self._loudness, count * channels
        self._loudness *= FADE
        made = array(
            "h",
            [
                int(old[place % len(old)] * start * (1 - (1 - FADE) * place / total))
                for place in range(total)
            ],
        )
        frame.planes[0].update(made.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate = last.sample_rate
        return self._place(frame, concealment.time)

    def _place(self, frame: AudioFrame, time: int) -> AudioFrame:
        return _placed(frame, time * frame.sample_rate // self._rate, frame.sample_rate)


def _placed(frame: AudioFrame, time: int, rate: int) -> AudioFrame:
    frame.sample_rate = rate
    frame.pts, frame.time_base = time, Fraction(1, rate)
    return frame
