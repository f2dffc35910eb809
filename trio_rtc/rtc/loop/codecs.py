"""Which codecs there are, and which of them are to be used."""

from __future__ import annotations

from collections.abc import Sequence

from aiortc import RTCRtpCodecCapability, RTCRtpCodecParameters, RTCRtpSender
from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import SessionDescription

from ...errors import MediaError, NegotiationError

KINDS = ("audio", "video")

RETRANSMISSION = "rtx"
"""No codec of its own, but how lost packets are sent again (RFC 4588)."""


def check_names(names: Sequence[str]) -> None:
    """See whether there are such codecs.

    Raises:
        MediaError: ``unknown_codec``: there is one that is none.
    """
    there_is = {_name(codec) for kind in KINDS for codec in _all(kind)} - {RETRANSMISSION}
    for name in names:
        if name.lower() not in there_is:
            raise MediaError(
                f"there is no codec {name!r}; there is {', '.join(sorted(there_is))}",
                code="unknown_codec",
            )


def capabilities(kind: str, names: Sequence[str]) -> list[RTCRtpCodecCapability]:
    """Those of a kind of media that have these names, in this order; none for no preference."""
    chosen = [codec for name in names for codec in _all(kind) if _name(codec) == name.lower()]
    retransmission = [codec for codec in _all(kind) if _name(codec) == RETRANSMISSION]
    return [*chosen, *retransmission] if chosen else []


def common(
    codecs: Sequence[RTCRtpCodecParameters], names: Sequence[str]
) -> list[RTCRtpCodecParameters]:
    """Those of a description that have these names, and how they are sent again.

    Raises:
        NegotiationError: ``no_common_codec``: there is none.
    """
    chosen = [codec for name in names for codec in codecs if codec.name.lower() == name.lower()]
    if not chosen:
        raise NegotiationError(
            "the other side has none of the codecs of our choice", code="no_common_codec"
        )
    types = [codec.payloadType for codec in chosen]
    return chosen + [codec for codec in codecs if codec.parameters.get("apt") in types]


def without_common(offer: SessionDescription) -> list[str]:
    """The ids of the media sections of an offer that have no codec which we have."""
    return [
        media.rtp.muxId
        for media in offer.media
        if media.kind in KINDS and not find_common_codecs(CODECS[media.kind], media.rtp.codecs)
    ]


def _all(kind: str) -> list[RTCRtpCodecCapability]:
    return RTCRtpSender.getCapabilities(kind).codecs


def _name(codec: RTCRtpCodecCapability) -> str:
    return codec.mimeType.partition("/")[2].lower()
