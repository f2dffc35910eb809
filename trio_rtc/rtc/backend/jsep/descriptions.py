"""Session descriptions and candidates, between their text and aiortc's objects."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aiortc import RTCIceCandidate, RTCSessionDescription
from aiortc.sdp import MediaDescription, candidate_from_sdp, candidate_to_sdp
from aiortc.sdp import SessionDescription as ParsedDescription

from ....errors import NegotiationError
from ....wire.messages import IceCandidate, SessionDescription
from .bundling import with_shared_transport
from .codecs import as_known, common_codecs, known
from .recycling import receives, sends
from .rejections import DIRECTIONS, SCTP_PROFILES
from .section_text import join, mid_of, split

DEFAULT_MAX_MESSAGE_SIZE = 65536
"""Of a peer that does not say (RFC 8841, section 6.1)."""

SETUPS = ("actpass", "active", "passive")
"""RFC 8842, section 5.1."""

MAX_SECTIONS = 128
MAX_LINES = 1000
"""More would be no call, and reading them would take longer than others can wait.

The time that aiortc needs grows with the square of either.
"""


MAX_TRANSPORTS = 16
"""Sections that are in no bundle: each has sockets of its own, for each address that we have."""


MEDIA_LINE = re.compile(r"m=\S+ \d+(?:/\d+)? \S+(?: +\S+)+")
"""RFC 8866, section 5.14."""

OF_CANDIDATES = ("a=candidate:", "a=end-of-candidates")


def separate_candidates(description: SessionDescription) -> tuple[str, list[IceCandidate]]:
    """A remote description without the candidates in it, and these as if each had come alone.

    aiortc 1.16 takes those of the last section in a bundle; they are in the first (RFC 9429,
    section 5.2.1).

    Raises:
        NegotiationError: ``bad_description``: it is too long, or has sections of nothing.
    """
    session, *sections = split(description.sdp)
    candidates = []
    parts = []
    for number, part in enumerate([session, *sections]):
        # The end may be told once for all sections (RFC 8840, section 4.2).
        index = number - 1 if number else None
        mid = mid_of(part) or None
        for line in part:
            if line.startswith("a=candidate:"):
                text = line.removeprefix("a=")
            elif line == "a=end-of-candidates":
                text = ""
            else:
                continue
            candidates.append(IceCandidate(candidate=text, sdp_mid=mid, sdp_m_line_index=index))
        parts.append([line for line in part if not line.startswith(OF_CANDIDATES)])
    if len(sections) > MAX_SECTIONS:
        raise _bad(description, f"it has {len(sections)} sections, and not up to {MAX_SECTIONS}")
    if max(map(len, parts)) > MAX_LINES:
        raise _bad(description, f"one of its sections has more than {MAX_LINES} lines")
    for first, *_ in sections:
        if not MEDIA_LINE.fullmatch(first):
            raise _bad(description, f"it does not parse at the line {first[:80]!r}")
    return with_shared_transport(join(parts)), candidates


def parse_remote(description: SessionDescription) -> ParsedDescription:
    """Parse what another peer has sent.

    Raises:
        NegotiationError: ``bad_description``.
    """
    _check_setup(description)
    try:
        parsed = ParsedDescription.parse(description.sdp)
    except Exception as error:
        # The parser's errors for text that is no SDP are of every kind.
        line = _first_bad_line(description.sdp)
        raise _bad(description, f"it does not parse at the line {line[:80]!r}") from error
    try:
        # aiortc prints it again when it is asked for, and would only then find what is wrong.
        str(parsed)
    except Exception as error:
        raise _bad(description, f"it makes no sense ({error})") from error
    if not parsed.media:
        raise _bad(description, "it has no media sections")
    mids = [media.rtp.muxId for media in parsed.media]
    if len(set(mids)) < len(mids):
        raise _bad(description, "two of its sections have the same id")
    if [media.kind for media in parsed.media].count("application") > 1:
        raise _bad(description, "it has two sections for data channels")
    if any(group.semantic == "BUNDLE" and set(group.items) - set(mids) for group in parsed.group):
        raise _bad(description, "its bundle has a section that it does not have")
    apart = len(set(mids).difference(bundled(parsed)))
    if apart > MAX_TRANSPORTS:
        raise _bad(description, f"it wants {apart} transports, and not up to {MAX_TRANSPORTS}")
    for index, media in enumerate(parsed.media):
        if why := _fault_of(media):
            raise _bad(description, f"its section {index} {why}")
    return parsed


def _check_setup(description: SessionDescription) -> None:
    session, *sections = split(description.sdp)
    for index, section in enumerate(sections):
        told = [line.removeprefix("a=setup:") for line in section if line.startswith("a=setup:")]
        told = told or [line.removeprefix("a=setup:") for line in session if "a=setup:" in line]
        has_fingerprint = any(line.startswith("a=fingerprint:") for line in (*session, *section))
        if not told and has_fingerprint:
            raise _bad(description, f"its section {index} has no a=setup")
        if told and told[-1] not in SETUPS:
            raise _bad(description, f"its section {index} has the a=setup {told[-1][:20]!r}")


def _first_bad_line(sdp: str) -> str:
    lines = sdp.splitlines()

    def fails(number: int) -> bool:
        try:
            ParsedDescription.parse("\r\n".join(lines[: number + 1]) + "\r\n")
        except Exception:  # noqa: BLE001
            return True
        return False

    found = bisect(range(len(lines)), x=False, key=fails)
    return lines[min(found, len(lines) - 1)] if lines else ""


def check_succession(
    description: SessionDescription,
    parsed: ParsedDescription,
    before: Sequence[MediaDescription],
    rejected: Collection[str],
) -> None:
    """See that an offer keeps the sections of the description before it (RFC 3264, section 8).

    Only what was rejected may make room for another (RFC 9429, section 5.2.2). aiortc 1.16 would
    find out when it is too late to go back.

    Raises:
        NegotiationError: ``bad_description``.
    """
    if len(parsed.media) < len(before):
        raise _bad(description, f"it has fewer than the {len(before)} sections of before")
    known = {media.rtp.muxId for media in before}
    for index, (old, new) in enumerate(zip(before, parsed.media, strict=False)):
        is_same = (old.kind, old.rtp.muxId) == (new.kind, new.rtp.muxId)
        makes_room = old.rtp.muxId in rejected and new.rtp.muxId not in known
        if not is_same and not makes_room:
            raise _bad(description, f"its section {index} is another than before")


def _fault_of(media: MediaDescription) -> str | None:
    """What keeps a media section from being used."""
    if media.kind not in ("audio", "video", "application"):
        return f"is of the unknown kind {media.kind!r}"
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        return "has no ICE credentials"
    if media.dtls is None or not media.dtls.fingerprints:
        return "has no fingerprint"
    if media.kind == "application":
        if media.profile not in SCTP_PROFILES:
            return f"has the unknown profile {media.profile!r}"
        # In the form of before RFC 8841 the port is the format.
        port = media.fmt[0] if media.profile == "DTLS/SCTP" else media.sctp_port
        if port is None or not str(port).isdecimal() or not 0 < int(port) <= 65535:
            return "has no SCTP port"
        if media.sctpCapabilities is not None and media.sctpCapabilities.maxMessageSize < 0:
            return "has a message size below 0"
    return None


def to_be_applied(
    description: SessionDescription,
    parsed: ParsedDescription,
    offered: Sequence[MediaDescription] = (),
) -> str:
    """A remote description with what goes without saying, and which aiortc wants to hear.

    Args:
        description: its text.
        parsed: the same.
        offered: the sections of the offer that it answers.
    """
    session, *sections = split(description.sdp)
    # RFC 8866, section 6.7.
    usual = next((line for line in session if line in DIRECTIONS), "a=sendrecv")
    for index, (section, media) in enumerate(zip(sections, parsed.media, strict=True)):
        said = media.direction or usual.removeprefix("a=")
        direction = _answering(said, offered[index].direction) if index < len(offered) else said
        if direction != media.direction:
            section[:] = [line for line in section if line not in DIRECTIONS]
            section.insert(1, f"a={direction}")
        if not known(media.kind, media.rtp.codecs):
            as_known(section, common_codecs(media.kind, media.rtp.codecs))
    return join([session, *sections])


def _answering(direction: str, offered: str | None) -> str:
    """What of a direction answers one that was offered (RFC 3264, section 6.1).

    libdatachannel answers with that of before, whatever is offered.
    """
    if offered is None:
        return direction
    return {
        (True, True): "sendrecv",
        (True, False): "sendonly",
        (False, True): "recvonly",
        (False, False): "inactive",
    }[sends(direction) and receives(offered), receives(direction) and sends(offered)]


def _bad(description: SessionDescription, why: str) -> NegotiationError:
    return NegotiationError(
        f"the {description.type} of the other side cannot be used: {why}", code="bad_description"
    )


def sections_of(description: RTCSessionDescription | None) -> list[MediaDescription]:
    """Those of a description that aiortc has made."""
    return [] if description is None else ParsedDescription.parse(description.sdp).media


def max_message_size(parsed: ParsedDescription) -> float:
    """What the other side takes in one message, in bytes; 0 in its description is no limit."""
    for media in parsed.media:
        if media.kind == "application":
            size: int = getattr(media.sctpCapabilities, "maxMessageSize", DEFAULT_MAX_MESSAGE_SIZE)
            return size or float("inf")
    return DEFAULT_MAX_MESSAGE_SIZE


def bundle_owner(parsed: ParsedDescription) -> str:
    """The id of the section whose transport the others share (RFC 9143, section 7.2)."""
    return next(iter(bundled(parsed)), str(parsed.media[0].rtp.muxId))


def bundled(parsed: ParsedDescription) -> list[str]:
    """The ids of the sections that are to share a transport."""
    for group in parsed.group:
        if group.semantic == "BUNDLE":
            return [str(mid) for mid in group.items]
    return []


def check_bundle(parsed: ParsedDescription, rejected: Collection[str]) -> None:
    """See that the sections of an answer share one transport, as ours do.

    Raises:
        NegotiationError: ``not_bundled``.
    """
    live = {media.rtp.muxId for media in parsed.media}.difference(rejected)
    if len(live) > 1 and not live.issubset(bundled(parsed)):
        raise NegotiationError(
            "the other side has several transports, and our offer was for a single one "
            "(its bundle_policy was 'max-bundle')",
            code="not_bundled",
        )


@dataclass(frozen=True, slots=True)
class FoundCandidates:
    """The candidates of a section, and whether no more will come."""

    candidates: list[RTCIceCandidate]
    complete: bool


def to_be_sent(kind: str, sdp: str, found: Mapping[str, FoundCandidates]) -> str:
    """Our description, with these candidates by the ids of their sections.

    Others travel on their own (RFC 8840, section 4).
    """
    parsed = ParsedDescription.parse(sdp)
    parsed.type = kind
    for media in parsed.media:
        there = found.get(media.rtp.muxId, FoundCandidates([], complete=False))
        media.ice_candidates = there.candidates
        media.ice_candidates_complete = there.complete
        media.ice_options = "trickle"
        if media.direction not in ("sendrecv", "sendonly"):
            # Names of what is sent, and was perhaps (RFC 9429, section 5.2.1).
            media.msid, media.ssrc, media.ssrc_group = None, [], []
        # With no candidate known there is no address to name (RFC 9429, section 5.2.1), and a name
        # that hides one would be none to who reads no candidates.
        media.host, media.port = "0.0.0.0", 9
        for candidate in there.candidates[:1]:
            if not candidate.ip.endswith(".local"):
                media.host, media.port = candidate.ip, candidate.port
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
    return IceCandidate(
        candidate=line, sdp_mid=mid, sdp_m_line_index=index, username_fragment=ufrag
    )


def end_of_candidates(mid: str, index: int, ufrag: str) -> IceCandidate:
    return IceCandidate(candidate="", sdp_mid=mid, sdp_m_line_index=index, username_fragment=ufrag)
