"""What encoded media are encoded with, as RTP has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .h264 import AccessUnits, BadH264, takes

CLOCK_RATES: Final = {
    "H264": 90_000,
    "VP8": 90_000,
    "OPUS": 48_000,
    "G722": 8_000,
    "PCMU": 8_000,
    "PCMA": 8_000,
}
"""Ticks per second of RTP. That of G722 is what a mistake has made it (RFC 3551, section 4.5.2)."""

_NAMES: Final = {
    "h264": "H264",
    "vp8": "VP8",
    "opus": "opus",
    "adpcm_g722": "G722",
    "pcm_mulaw": "PCMU",
    "pcm_alaw": "PCMA",
}
_RATES: Final = {"G722": 16_000, "PCMU": 8_000, "PCMA": 8_000}
_LEAST_PROFILE: Final = "42001f"


class NotSendable(ValueError):
    """What is encoded cannot be sent as it is; says why."""


@dataclass(frozen=True, slots=True)
class EncodedFormat:
    """A codec, and what of it.

    Attributes:
        name: in RTP: ``H264``, ``VP8``, ``opus``, ``G722``, ``PCMU`` or ``PCMA``.
        profile_level_id: of H264 (RFC 6184, section 8.1).
    """

    name: str
    profile_level_id: str | None = None

    def __str__(self) -> str:
        if self.profile_level_id is None:
            return self.name
        return f"{self.name} ({self.profile_level_id})"

    @property
    def clock_rate(self) -> int:
        """Ticks of RTP per second."""
        return CLOCK_RATES[self.name.upper()]

    def fits(self, name: str, profile_level_id: str | None) -> bool:
        """Whether who says that it decodes this decodes what is encoded so."""
        if name.lower() != self.name.lower():
            return False
        if self.profile_level_id is None:
            return True
        return takes(profile_level_id or _LEAST_PROFILE, self.profile_level_id)


def format_of(stream: Any) -> tuple[EncodedFormat, AccessUnits | None]:
    """That of a stream that FFmpeg has opened; and for H264 what its access units go through.

    Raises:
        NotSendable: no peer takes it as it is.
    """
    codec = stream.codec_context
    name = _NAMES.get(codec.codec.canonical_name)
    if name is None:
        raise NotSendable(
            f"its {stream.type} is {codec.codec.canonical_name}, which cannot be sent as it is"
        )
    if name in _RATES and (codec.sample_rate, codec.channels) != (_RATES[name], 1):
        raise NotSendable(
            f"its sound is {name} with {codec.channels} channels at {codec.sample_rate} Hz, and "
            f"can be sent with one at {_RATES[name]} Hz only"
        )
    if name != "H264":
        return EncodedFormat(name), None
    if codec.has_b_frames:
        raise NotSendable("its pictures are not in the order in which they are seen (B-frames)")
    try:
        units = AccessUnits(codec.extradata or b"")
    except BadH264 as error:
        raise NotSendable(f"{error}") from error
    if units.profile_level_id is None:
        raise NotSendable("it does not say which profile of H264 it has")
    return EncodedFormat(name, units.profile_level_id), units
