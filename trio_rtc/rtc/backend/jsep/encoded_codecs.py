"""Codecs of what is sent as it is: there is no encoder that could make something else of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from aiortc import RTCRtpCodecParameters
from aiortc.codecs import is_rtx

from ....errors import NegotiationError
from ..media.encoded.encoded_format import EncodedFormat
from . import transport_cc


def narrowed(
    encoded: EncodedFormat, codecs: Sequence[RTCRtpCodecParameters]
) -> list[RTCRtpCodecParameters]:
    """What is offered: the one codec, with its profile, and how it is sent again.

    Args:
        encoded: what is encoded.
        codecs: those that aiortc would offer, with its own profiles.
    """
    found = next((codec for codec in codecs if codec.name.lower() == encoded.name.lower()), None)
    if found is None:
        return []
    chosen = copy.deepcopy(found)
    if encoded.profile_level_id is not None:
        chosen.parameters["profile-level-id"] = encoded.profile_level_id
    return [chosen, *_retransmission(chosen, codecs)]


def fitting(
    encoded: EncodedFormat,
    offered: Sequence[RTCRtpCodecParameters],
    *,
    any_profile: bool,
) -> list[RTCRtpCodecParameters]:
    """What of an offer is answered with: the first codec that takes it, as it is numbered there.

    Args:
        encoded: what is encoded.
        offered: the codecs of a section.
        any_profile: whether the other side is known to decode every profile of H264.
    """
    for codec in offered:
        profile = str(codec.parameters.get("profile-level-id", "42e01f"))
        is_h264 = codec.name.lower() == "h264"
        if is_h264 and str(codec.parameters.get("packetization-mode", "0")) != "1":
            continue
        if encoded.fits(codec.name, encoded.profile_level_id if any_profile else profile):
            chosen = copy.deepcopy(codec)
            kept = ["nack", "goog-remb"]
            if transport_cc.is_possible():
                kept.append(transport_cc.FEEDBACK.type)
            chosen.rtcpFeedback = [f for f in codec.rtcpFeedback if f.type in kept]
            return [chosen, *_retransmission(chosen, offered)]
    return []


def check_taken(
    encoded: EncodedFormat,
    described: Mapping[str, Sequence[RTCRtpCodecParameters]],
    *,
    any_profile: bool,
) -> None:
    """See whether a description has any section for this.

    Raises:
        NegotiationError: ``no_common_codec``: it has sections of such media, for other codecs.
    """
    kind = "video" if encoded.clock_rate == 90_000 else "audio"
    sections = [
        codecs
        for codecs in described.values()
        if any(codec.mimeType.lower().startswith(f"{kind}/") for codec in codecs)
    ]
    if sections and not any(fitting(encoded, c, any_profile=any_profile) for c in sections):
        raise not_taken(encoded)


def not_taken(encoded: EncodedFormat | None) -> NegotiationError:
    return NegotiationError(
        f"the other side does not take {encoded}, which is sent as it is; "
        "what is opened without encoded=True is encoded as it wants",
        code="no_common_codec",
    )


def _retransmission(
    codec: RTCRtpCodecParameters, codecs: Sequence[RTCRtpCodecParameters]
) -> list[RTCRtpCodecParameters]:
    return [
        copy.deepcopy(other)
        for other in codecs
        if is_rtx(other) and other.parameters.get("apt") == codec.payloadType
    ]
