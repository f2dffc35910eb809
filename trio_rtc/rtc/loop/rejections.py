"""Media sections that one side rejects: those with the port 0 (RFC 9429, section 5.3.1).

aiortc 1.16 has no notion of these. It is given sections of the same bundle in which nothing flows,
and what it says of these is sent as a rejection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

NOTHING_FLOWS = ("a=rtcp-mux", "a=inactive")

#: What stands for a section of each kind: its first line, and what has to be said of it.
PLACEHOLDERS = {
    "audio": ("m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=rtpmap:0 PCMU/8000", *NOTHING_FLOWS),
    "video": ("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000", *NOTHING_FLOWS),
    "application": ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=sctp-port:5000"),
}

TRANSPORT = ("a=ice-ufrag:", "a=ice-pwd:", "a=ice-options:", "a=fingerprint:", "a=setup:")

BUNDLE = "a=group:BUNDLE"


def rejected(sdp: str) -> list[str]:
    """The ids of the sections that are rejected."""
    _, *sections = _split(sdp)
    return [mid for section in sections if _is_rejected(section) and (mid := _mid(section))]


def without_rejections(sdp: str, *, one_transport: bool) -> str:
    """The same description, with each rejected section as one in which nothing flows.

    It stays as it is if there is no other section whose transport they could share.

    Args:
        sdp: of the other side.
        one_transport: whether all sections share the transport of the first one anyway, rejected
            or not; otherwise it is that of the first one that lives (RFC 9143, section 7.3).
    """
    mids = rejected(sdp)
    session, *sections = _split(sdp)
    live = next((section for section in sections if not _is_rejected(section)), None)
    bundled = any(line.startswith(BUNDLE) for line in session)
    if not mids or live is None or not bundled:
        return sdp
    transport = [line for line in live if line.startswith(TRANSPORT)]
    session = [
        f"{line} {' '.join(mid for mid in mids if mid not in line.split())}".rstrip()
        if line.startswith(BUNDLE)
        else line
        for line in session
    ]
    return _join([session, *(list(_inactive(section, transport)) for section in sections)])


def with_rejections(sdp: str, mids: Collection[str]) -> str:
    """A description of ours in which these sections are rejected."""
    session, *sections = _split(sdp)
    session = [
        " ".join(part for part in line.split() if part not in mids)
        if line.startswith(BUNDLE)
        else line
        for line in session
    ]
    return _join(
        [
            session,
            *(
                [_with_port_0(section[0]), *section[1:]] if _mid(section) in mids else section
                for section in sections
            ),
        ]
    )


def _inactive(section: list[str], transport: list[str]) -> Iterator[str]:
    placeholder = PLACEHOLDERS.get(_kind(section))
    if not _is_rejected(section) or placeholder is None or not _mid(section):
        yield from section
        return
    first, *rest = placeholder
    yield first
    yield "c=IN IP4 0.0.0.0"
    yield f"a=mid:{_mid(section)}"
    yield from rest
    yield from transport


def _split(sdp: str) -> list[list[str]]:
    """The lines of the session, and those of each section."""
    parts: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            parts.append([])
        parts[-1].append(line)
    return parts


def _join(parts: list[list[str]]) -> str:
    return "".join(f"{line}\r\n" for part in parts for line in part)


def _kind(section: list[str]) -> str:
    return section[0].removeprefix("m=").partition(" ")[0]


def _mid(section: list[str]) -> str:
    return next((line.removeprefix("a=mid:") for line in section if line.startswith("a=mid:")), "")


def _is_rejected(section: list[str]) -> bool:
    # In an offer, the port of what is to be bundled only is 0 as well (RFC 9143, section 6).
    return section[0].split()[1:2] == ["0"] and "a=bundle-only" not in section


def _with_port_0(line: str) -> str:
    kind, _, rest = line.split(" ", 2)
    return f"{kind} 0 {rest}"
