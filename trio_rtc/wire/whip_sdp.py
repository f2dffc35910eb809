"""Session descriptions as WHIP and WHEP carry them: one offer, one answer, no I/O.

There is no way to a client but by the answers to its requests. So an answer has all candidates in
it, and a restart of ICE is told by credentials only (RFC 9725, sections 4.3 and 4.3.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..errors import NegotiationError
from .messages import IceCandidate

_SECTION: Final = re.compile(r"^(?=m=)", re.MULTILINE)
_UFRAG: Final = re.compile(r"^a=ice-ufrag:(\S+)\s*$", re.MULTILINE)
_PASSWORD: Final = re.compile(r"^a=ice-pwd:(\S+)\s*$", re.MULTILINE)


def check_offer(sdp: str) -> None:
    """See whether this can be an offer.

    Raises:
        NegotiationError: ``bad_description``: it is no SDP, or no offer, or says nothing of how to
            connect.
    """
    if not sdp.startswith("v=0"):
        raise _bad("is no SDP: it does not begin with v=0")
    if not re.search(r"^m=(audio|video) ", sdp, re.MULTILINE):
        raise _bad("has no section of audio or video")
    if not re.search(r"^a=fingerprint:", sdp, re.MULTILINE):
        raise _bad("has no fingerprint: only DTLS is spoken")
    # RFC 8842, section 5.2: actpass is recommended, and FFmpeg's muxer offers passive.
    if not re.search(r"^a=setup:(actpass|active|passive)\s*$", sdp, re.MULTILINE):
        raise _bad("has no a=setup")
    credentials_of(sdp)


def credentials_of(sdp: str) -> tuple[str, str]:
    """The ICE user name fragment and password of a description, which bundles all.

    Raises:
        NegotiationError: ``bad_description``: it has none.
    """
    ufrag, password = _UFRAG.search(sdp), _PASSWORD.search(sdp)
    if ufrag is None or password is None:
        raise _bad("has no ICE credentials")
    return ufrag[1], password[1]


def with_credentials(sdp: str, ufrag: str, password: str) -> str:
    """An offer that restarts ICE: other credentials, no candidates, the next version (RFC 8829)."""
    lines = []
    for line in _lines(sdp):
        if line.startswith("o="):
            parts = line.split(" ")
            if len(parts) > 2 and parts[2].isdigit():
                parts[2] = str(int(parts[2]) + 1)
            lines.append(" ".join(parts))
        elif line.startswith("a=ice-ufrag:"):
            lines.append(f"a=ice-ufrag:{ufrag}")
        elif line.startswith("a=ice-pwd:"):
            lines.append(f"a=ice-pwd:{password}")
        elif not line.startswith(("a=candidate:", "a=end-of-candidates")):
            lines.append(line)
    return _text(lines)


def with_candidates(sdp: str, candidates: Iterable[IceCandidate]) -> str:
    """A description with these candidates at the end of their sections.

    One that does not tell its section is of the first one. One that is there already, or is of a
    section that is not, is left out.
    """
    session, *sections = _SECTION.split(_text(_lines(sdp)))
    mids = [_mid(section) for section in sections]
    for candidate in candidates:
        index = candidate.sdp_m_line_index or 0
        if candidate.sdp_mid is not None and candidate.sdp_mid in mids:
            index = mids.index(candidate.sdp_mid)
        line = "a=end-of-candidates" if candidate.is_end else f"a={candidate.candidate}"
        if 0 <= index < len(sections) and f"{line}\r\n" not in sections[index]:
            sections[index] += f"{line}\r\n"
    return session + "".join(sections)


def candidates_of(sdp: str) -> list[IceCandidate]:
    """The candidates that are in a description."""
    found = []
    for section in _SECTION.split(sdp)[1:]:
        for line in _lines(section):
            if line.startswith("a=candidate:"):
                found.append(IceCandidate(candidate=line[2:], sdp_mid=_mid(section)))
    return found


def _mid(section: str) -> str | None:
    match = re.search(r"^a=mid:(\S+)", section, re.MULTILINE)
    return match[1] if match else None


def _lines(sdp: str) -> list[str]:
    return [line for line in sdp.replace("\r\n", "\n").split("\n") if line]


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)


def _bad(what: str) -> NegotiationError:
    return NegotiationError(f"the offer {what}", code="bad_description")
