"""Media sections that one side rejects: those with the port 0 (RFC 9429, section 5.3.1).

We reject those of media for which the two sides have no codec in common, of kinds that we do not
know, such as ``m=text``, and of media that are not encrypted (RTP/AVP without a fingerprint).

aiortc 1.16 has no notion of these. It is given sections of the same bundle in which nothing flows,
and what it says of these is sent as a rejection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from .bundling import BUNDLE, TRANSPORT
from .section_text import join, mid_of, split

NOTHING_FLOWS = ("a=rtcp-mux", "a=inactive")

#: What stands for a section of each kind: its first line, and what has to be said of it.
PLACEHOLDERS = {
    "audio": ("m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=rtpmap:0 PCMU/8000", *NOTHING_FLOWS),
    "video": ("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000", *NOTHING_FLOWS),
    "application": ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=sctp-port:5000"),
}

SCTP_PROFILES = ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP")
"""RFC 8841, section 4.2, and the form of its drafts."""

PLAIN_PROFILES = ("RTP/AVP", "RTP/AVPF")
"""Of media without keys; with a fingerprint they are taken for others (RFC 9429, 5.1.2)."""

OF_FORMATS = ("a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=extmap:", "a=ssrc", "a=msid:")

DIRECTIONS = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")


def rejected(sdp: str) -> list[str]:
    """The ids of the sections that are rejected."""
    _, *sections = split(sdp)
    return [mid for section in sections if _is_rejected(section) and (mid := mid_of(section))]


def unknown(sdp: str) -> list[str]:
    """The ids of the sections that are nothing we have."""
    session, *sections = split(sdp)
    return [
        mid
        for section in sections
        if (not _is_known(section) or _is_plain([*session, *section])) and (mid := mid_of(section))
    ]


def _is_plain(lines: list[str]) -> bool:
    """Whether it has no keys, and its profile says that there are to be none."""
    profiles = [line.split()[2] for line in lines if line.startswith(("m=audio ", "m=video "))]
    is_plain = [profile for profile in profiles if profile in PLAIN_PROFILES]
    return bool(is_plain) and not any(line.startswith("a=fingerprint:") for line in lines)


def _is_known(section: list[str]) -> bool:
    if _kind(section) == "application":
        return section[0].split()[2:3] in [[profile] for profile in SCTP_PROFILES]
    # Without it they would have two transports (RFC 9429, section 5.3.1).
    return _kind(section) in PLACEHOLDERS and "a=rtcp-mux" in section


def first_lines(sdp: str) -> dict[str, str]:
    """The first line of each section, by its id."""
    return {mid_of(section): section[0] for section in split(sdp)[1:]}


def without_rejections(sdp: str, mids: Collection[str], *, one_transport: bool) -> str:
    """The same description, with each rejected section as one in which nothing flows.

    It stays as it is if there is no other section whose transport they could share. An answer need
    not tell of a bundle of a single section.

    Args:
        sdp: of the other side.
        mids: the ids of the sections that it rejects, or we.
        one_transport: whether all sections share the transport of the first one anyway, rejected
            or not; otherwise it is that of the first one that lives (RFC 9143, section 7.3).
    """
    session, *sections = split(sdp)
    out = [section for section in sections if _is_rejected(section) or mid_of(section) in mids]
    live = [section for section in sections if section not in out]
    if not mids or not live:
        return sdp
    bundle = next((line for line in session if line.startswith(BUNDLE)), None)
    if bundle is None:
        if one_transport and len(live) > 1:
            return sdp
        bundle = f"{BUNDLE} {mid_of(live[0])}"
        session.append(bundle)
    # The first one has the transport for all (RFC 9143, section 7.3.1).
    shared = [mid for mid in bundle.split()[1:] if mid not in mids]
    session[session.index(bundle)] = " ".join([BUNDLE, *shared, *mids])
    transport = [line for line in live[0] if line.startswith(TRANSPORT)]
    return join([session, *(list(_inactive(s, transport)) if s in out else s for s in sections)])


def with_rejections(sdp: str, mids: Collection[str], lines: Mapping[str, str]) -> str:
    """A description in which these sections are rejected.

    In ``lines`` are their first lines in the other side's description, by their ids: the formats of
    a rejection are those of what it rejects (RFC 3264, section 6).
    """
    if not mids:
        return sdp
    session, *sections = split(sdp)
    session = [
        " ".join(part for part in line.split() if part not in mids)
        if line.startswith(BUNDLE)
        else line
        for line in session
    ]
    return join(
        [
            session,
            *(
                list(_rejection(section, lines.get(mid_of(section), section[0])))
                if mid_of(section) in mids
                else section
                for section in sections
            ),
        ]
    )


def _rejection(section: list[str], line: str) -> Iterator[str]:
    yield _with_port_0(line)
    for attribute in section[1:]:
        if attribute in DIRECTIONS:
            yield "a=inactive"
        elif not attribute.startswith(OF_FORMATS):
            yield attribute


def _inactive(section: list[str], transport: list[str]) -> Iterator[str]:
    if not mid_of(section):
        yield from section
        return
    # What is unknown is one of sound to aiortc.
    known = _kind(section) if _is_known([section[0], "a=rtcp-mux"]) else "audio"
    first, *rest = PLACEHOLDERS[known]
    yield first
    yield "c=IN IP4 0.0.0.0"
    yield f"a=mid:{mid_of(section)}"
    yield from rest
    yield from transport


def _kind(section: list[str]) -> str:
    return section[0].removeprefix("m=").partition(" ")[0]


def _is_rejected(section: list[str]) -> bool:
    # In an offer, the port of what is to be bundled only is 0 as well (RFC 9143, section 6).
    return section[0].split()[1:2] == ["0"] and "a=bundle-only" not in section


def _with_port_0(line: str) -> str:
    kind, _, rest = line.split(" ", 2)
    return f"{kind} 0 {rest}"
