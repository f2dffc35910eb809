"""Opus with packet loss concealment and forward error correction (RFC 6716, section 4.4).

FFmpeg's decoders have neither, so libopus is called directly: PyAV's, or the system's.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import av

logger = logging.getLogger("trio_rtc.rtc")

RATE: Final = 48_000
CHANNELS: Final = 2
SAMPLE_BYTES: Final = 2 * CHANNELS
LONGEST: Final = 5760
"""Samples of the longest packet: 120 ms."""

FRAME_SAMPLES: Final = (
    *(480, 960, 1920, 2880) * 3,
    *(480, 960) * 2,
    *(120, 240, 480, 960) * 4,
)
"""Samples of one frame at 48 kHz, by the configuration number of a packet (RFC 6716, table 2)."""


def opus_samples(payload: bytes) -> int:
    """How long the sound of a packet is, at 48 kHz (RFC 6716, section 3.1).

    Raises:
        ValueError: it is no packet.
    """
    if not payload:
        raise ValueError("a packet of Opus has at least one byte")
    code = payload[0] & 3
    frames = 1 if code == 0 else 2
    if code == 3:
        if len(payload) < 2:
            raise ValueError("a packet of Opus does not say how many frames it has")
        frames = payload[1] & 63
    samples = frames * FRAME_SAMPLES[payload[0] >> 3]
    if not 0 < samples <= LONGEST:
        raise ValueError(f"a packet of Opus cannot have {samples} samples")
    return samples


def _names() -> Iterator[str]:
    yield from map(str, sorted(Path(av.__file__).parent.parent.glob("av.libs/*opus*")))
    # It asks programs, which takes its time.
    if found := ctypes.util.find_library("opus"):
        yield found


@cache
def _library() -> Any:
    for name in _names():
        try:
            library = ctypes.CDLL(name)
            library.opus_decoder_create.restype = ctypes.c_void_p
            library.opus_decoder_create.argtypes = [ctypes.c_int32, ctypes.c_int, ctypes.c_void_p]
            library.opus_decode.argtypes = [
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.c_int32,
                ctypes.c_void_p,
                ctypes.c_int,
                ctypes.c_int,
            ]
            library.opus_decoder_destroy.argtypes = [ctypes.c_void_p]
            library.opus_decoder_destroy.restype = None
        except (OSError, AttributeError):
            continue
        return library
    logger.info("lost packets of Opus are concealed less well: there is no libopus to be called")
    return None


def has_libopus() -> bool:
    """Whether an `OpusDecoder` can be made."""
    return _library() is not None


class OpusDecoder:
    """A decoder of one track: samples of 16 bits, stereo, at 48 kHz."""

    def __init__(self) -> None:
        self._opus = _library()
        error = ctypes.c_int()
        self._state = self._opus.opus_decoder_create(RATE, CHANNELS, ctypes.byref(error))
        if not self._state:
            raise MemoryError(f"libopus makes no decoder: error {error.value}")
        self._samples = ctypes.create_string_buffer(LONGEST * SAMPLE_BYTES)
        self._view = memoryview(self._samples)

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._opus.opus_decoder_destroy(self._state)

    def decode(self, payload: bytes) -> memoryview:
        """The samples of a packet, until the next call.

        Raises:
            ValueError: it cannot be decoded.
        """
        return self._decode(payload, LONGEST, correct=False)

    def conceal(self, samples: int, following: bytes | None) -> memoryview:
        """What may have been in a packet that is lost, as long as it was (at most 120 ms).

        Args:
            samples: its length.
            following: the packet after it, which has a copy if the sender has put one in.
        """
        # libopus makes up multiples of 2.5 ms.
        samples = min(max(samples // 120 * 120, 120), LONGEST)
        try:
            return self._decode(following, samples, correct=following is not None)
        except ValueError:
            return self._decode(None, samples, correct=False)

    def _decode(self, payload: bytes | None, samples: int, *, correct: bool) -> memoryview:
        size = 0 if payload is None else len(payload)
        made = self._opus.opus_decode(
            self._state, payload, size, self._samples, samples, int(correct)
        )
        if made < 0:
            raise ValueError(f"libopus cannot decode {size} bytes: error {made}")
        return self._view[: made * SAMPLE_BYTES]
