"""Session descriptions and candidates, between their text and aiortc's objects."""

from __future__ import annotations

from aiortc import RTCIceCandidate
from aiortc.sdp import SessionDescription as ParsedDescription
from aiortc.sdp import candidate_from_sdp, candidate_to_sdp

from ...errors import NegotiationError
from ...messages import IceCandidate, SessionDescription

DEFAULT_MAX_MESSAGE_SIZE = 65536
"""Of a peer that does not say (RFC 8841, section 6.1)."""


def parse_remote(description: SessionDescription) -> ParsedDescription:
    """Parse what another peer has sent.

    Raises:
        NegotiationError: ``bad_description``.
    """
    try:
        parsed = ParsedDescription.parse(description.sdp)
    except Exception as error:
        # The parser's errors for text that is no SDP are of every kind.
        raise _bad(description, f"it does not parse ({type(error).__name__}: {error})") from error
    if not parsed.media:
        raise _bad(description, "it has no media sections")
    for index, media in enumerate(parsed.media):
        if media.kind not in ("audio", "video", "application"):
            raise _bad(description, f"its section {index} is of the unknown kind {media.kind!r}")
        if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
            raise _bad(description, f"its section {index} has no ICE credentials")
        if media.kind == "application" and media.sctp_port is None and media.profile != "DTLS/SCTP":
            raise _bad(description, f"its section {index} has no SCTP port")
        if media.dtls is None or not media.dtls.fingerprints:
            raise _bad(description, f"its section {index} has no fingerprint")
    return parsed


def _bad(description: SessionDescription, why: str) -> NegotiationError:
    return NegotiationError(
        f"the {description.type} of the other side cannot be used: {why}", code="bad_description"
    )


def max_message_size(parsed: ParsedDescription) -> float:
    """What the other side takes in one message, in bytes; 0 in its description is no limit."""
    for media in parsed.media:
        if media.kind == "application":
            size: int = getattr(media.sctpCapabilities, "maxMessageSize", DEFAULT_MAX_MESSAGE_SIZE)
            return size or float("inf")
    return DEFAULT_MAX_MESSAGE_SIZE


def bundle_owner(parsed: ParsedDescription) -> str:
    """The id of the section whose transport the others share (RFC 9143, section 7.2)."""
    for group in parsed.group:
        if group.semantic == "BUNDLE" and group.items:
            return str(group.items[0])
    return str(parsed.media[0].rtp.muxId)


def to_be_trickled(kind: str, sdp: str) -> str:
    """The description as it is sent when candidates travel on their own (RFC 8840, section 4)."""
    parsed = ParsedDescription.parse(sdp)
    parsed.type = kind
    for media in parsed.media:
        media.ice_candidates = []
        media.ice_candidates_complete = False
        media.ice_options = "trickle"
        # With no candidate known there is no address to name (RFC 9429, section 5.2.1).
        media.host, media.port = "0.0.0.0", 9
    return str(parsed)


def parse_candidate(candidate: IceCandidate) -> RTCIceCandidate:
    """Parse a remote candidate.

    Raises:
        NegotiationError: ``bad_candidate``.
    """
    line = candidate.candidate.removeprefix("a=").removeprefix("candidate:")
    try:
        parsed = candidate_from_sdp(line)
    except (AssertionError, ValueError, IndexError) as error:
        raise NegotiationError(
            f"a candidate of the other side does not parse: {line[:80]!r}", code="bad_candidate"
        ) from error
    if candidate.sdp_mid is None and candidate.sdp_m_line_index is None:
        raise NegotiationError(
            f"a candidate of the other side names no media section: {line[:80]!r}",
            code="bad_candidate",
        )
    if not 0 <= parsed.port <= 65535:
        raise NegotiationError(
            f"a candidate of the other side has the port {parsed.port}", code="bad_candidate"
        )
    parsed.sdpMid = candidate.sdp_mid
    parsed.sdpMLineIndex = candidate.sdp_m_line_index
    return parsed


def print_candidate(candidate: RTCIceCandidate, mid: str, index: int, ufrag: str) -> IceCandidate:
    """A local candidate as it is sent; the ufrag tells its generation (RFC 8839, section 5.4)."""
    line = f"candidate:{candidate_to_sdp(candidate)} ufrag {ufrag}"
    return IceCandidate(candidate=line, sdp_mid=mid, sdp_m_line_index=index)


def end_of_candidates(mid: str, index: int) -> IceCandidate:
    return IceCandidate(candidate="", sdp_mid=mid, sdp_m_line_index=index)
