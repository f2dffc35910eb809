"""Codecs: which there are, and which of them are to be used."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from aiortc import (
    RTCRtpCodecCapability,
    RTCRtpCodecParameters,
    RTCRtpSender,
    RTCRtpTransceiver,
)
from aiortc.codecs import CODECS, is_rtx
from aiortc.rtcpeerconnection import is_codec_compatible
from aiortc.sdp import SessionDescription

from ....errors import MediaError, NegotiationError
from ..patches import can

KINDS = ("audio", "video")

RETRANSMISSION = "rtx"
"""No codec of its own, but how lost packets are sent again (RFC 4588)."""

# Our decoder makes use of copies of what is lost (RFC 7587, section 6.1), which senders add only
# for those that say so, as aiortc's does not.
for _codec in CODECS["audio"]:
    if _codec.name.lower() == "opus":
        _codec.parameters.setdefault("useinbandfec", 1)

KNOWN_H264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"


def check_names(names: Sequence[str]) -> None:
    """See whether there are such codecs.

    Raises:
        MediaError: ``unknown_codec``: there is one that is none.
    """
    there_is = {_name(codec) for kind in KINDS for codec in codecs_of(kind)} - {RETRANSMISSION}
    for name in names:
        if name.lower() not in there_is:
            raise MediaError(
                f"there is no codec {name!r}; there is {', '.join(sorted(there_is))}",
                code="unknown_codec",
            )


def capabilities(kind: str, names: Sequence[str]) -> list[RTCRtpCodecCapability]:
    """Those of a kind of media that have these names, in this order; none for no preference."""
    chosen = [codec for name in names for codec in codecs_of(kind) if _name(codec) == name.lower()]
    retransmission = [codec for codec in codecs_of(kind) if _name(codec) == RETRANSMISSION]
    return [*chosen, *retransmission] if chosen else []


def common(
    codecs: Sequence[RTCRtpCodecParameters], names: Sequence[str]
) -> list[RTCRtpCodecParameters]:
    """Those of a description that have these names, and how they are sent again.

    Raises:
        NegotiationError: ``no_common_codec``: there is none.
    """
    if chosen := named(codecs, names):
        return chosen
    raise NegotiationError(
        "the other side has none of the codecs of our choice", code="no_common_codec"
    )


def named(
    codecs: Sequence[RTCRtpCodecParameters], names: Sequence[str]
) -> list[RTCRtpCodecParameters]:
    """Those of a description that have these names, if any, and how they are sent again."""
    chosen = [codec for name in names for codec in codecs if codec.name.lower() == name.lower()]
    types = [codec.payloadType for codec in chosen]
    return chosen + [codec for codec in codecs if codec.parameters.get("apt") in types]


def without_common(offer: SessionDescription) -> list[str]:
    """The ids of the media sections of an offer that have no codec which we have."""
    return [
        media.rtp.muxId
        for media in offer.media
        if media.kind in KINDS and not common_codecs(media.kind, media.rtp.codecs)
    ]


def common_codecs(
    kind: str, offered: Sequence[RTCRtpCodecParameters]
) -> list[RTCRtpCodecParameters]:
    """Those of a description that we have, as they are numbered there.

    aiortc 1.16 has H264 of one profile. Its decoder takes any, also in packets of mode 0, as
    cameras and files have it: where there is nothing else, this is taken.
    """
    return known(kind, offered) or _matching(kind, offered, _is_decodable)


def known(kind: str, offered: Sequence[RTCRtpCodecParameters]) -> list[RTCRtpCodecParameters]:
    """Those of them that aiortc knows, too."""
    if kind not in KINDS:
        return list(offered)
    return _matching(kind, offered, is_codec_compatible)


def _matching(
    kind: str,
    offered: Sequence[RTCRtpCodecParameters],
    matches: Callable[[RTCRtpCodecParameters, RTCRtpCodecParameters], bool],
) -> list[RTCRtpCodecParameters]:
    found: list[RTCRtpCodecParameters] = []
    for codec in offered:
        if is_rtx(codec):
            if any(codec.parameters.get("apt") == original.payloadType for original in found):
                found.append(copy.deepcopy(codec))
            continue
        ours = next((own for own in CODECS[kind] if matches(own, codec)), None)
        if ours is not None:
            common = copy.deepcopy(ours)
            # All of 35 to 63, too, may stand for any (RFC 3551, section 3, with rtcp-mux).
            common.payloadType = codec.payloadType
            common.rtcpFeedback = [f for f in ours.rtcpFeedback if f in codec.rtcpFeedback]
            if not is_codec_compatible(ours, codec):
                # An answer has the profile and the mode of the offer (RFC 6184, section 8.2.2).
                common.parameters = dict(codec.parameters)
            found.append(common)
    return found


def _is_decodable(ours: RTCRtpCodecParameters, theirs: RTCRtpCodecParameters) -> bool:
    is_h264 = ours.name.lower() == theirs.name.lower() == "h264"
    mode = str(theirs.parameters.get("packetization-mode", "0"))
    # Interleaved packets are out of order on purpose.
    return is_h264 and ours.clockRate == theirs.clockRate and mode in ("0", "1")


def as_known(section: list[str], codecs: Sequence[RTCRtpCodecParameters]) -> None:
    """Have the lines of a section say what aiortc knows of these codecs."""
    for codec in codecs:
        if codec.name.lower() == "h264":
            start = f"a=fmtp:{codec.payloadType} "
            section[:] = [line for line in section if not line.startswith(start)]
            section.append(start + KNOWN_H264)


def is_receive_only(codecs: Sequence[RTCRtpCodecParameters]) -> bool:
    """Whether what would be sent cannot be made: H264 whose pictures fit into packets."""
    return any(
        codec.name.lower() == "h264" and str(codec.parameters.get("packetization-mode", "0")) == "0"
        for codec in codecs[:1]
    )


def adopt(transceiver: RTCRtpTransceiver, offered: Sequence[RTCRtpCodecParameters]) -> None:
    """Have a section use what a description of the other side has for it."""
    codecs = common_codecs(transceiver.kind, offered)
    names = [_name(codec) for codec in transceiver._preferred_codecs]
    if names:
        chosen = dict.fromkeys(name for name in names if name != RETRANSMISSION)
        codecs = common(codecs, list(chosen))
    if codecs and can("codecs"):
        transceiver._codecs = codecs


def codecs_of(kind: str) -> list[RTCRtpCodecCapability]:
    """All of a kind of media that there are."""
    return RTCRtpSender.getCapabilities(kind).codecs


def _name(codec: RTCRtpCodecCapability) -> str:
    return codec.mimeType.partition("/")[2].lower()
