"""WHIP and WHEP beside descriptions: SDP fragments and links to ICE servers. No I/O.

WHIP is RFC 9725; WHEP, which receives by the same means, is draft-ietf-wish-whep. A fragment has
the candidates of trickle ICE (RFC 8840, section 9), a link names a STUN or TURN server (RFC 9725,
section 4.6).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..errors import NegotiationError
from .messages import IceCandidate

SDP: Final = "application/sdp"
FRAGMENT: Final = "application/trickle-ice-sdpfrag"
ICE_SERVER: Final = "ice-server"

MAX_CANDIDATES: Final = 256
"""In one fragment: more than any host has addresses."""

#: RFC 8839, section 5.4: ice-char, with bounds for both.
_UFRAG: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}")


@dataclass(frozen=True, slots=True)
class Fragment:
    """An SDP fragment of trickle ICE.

    Attributes:
        ufrag: the user name fragment of the ICE generation that it belongs to.
        password: of this generation.
        candidates: each with its ``sdp_mid``; an empty one is the end of them.
    """

    ufrag: str
    password: str
    candidates: Sequence[IceCandidate] = field(default=())


def format_fragment(fragment: Fragment) -> str:
    """A fragment as the body of a PATCH, or of its answer."""
    lines = [f"a=ice-ufrag:{fragment.ufrag}", f"a=ice-pwd:{fragment.password}"]
    mids = dict.fromkeys(candidate.sdp_mid or "0" for candidate in fragment.candidates)
    for mid in mids:
        # RFC 8840, section 9: a pseudo media line, and one of its candidates after the other.
        lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 0", f"a=mid:{mid}"]
        for candidate in fragment.candidates:
            if (candidate.sdp_mid or "0") == mid:
                end = candidate.is_end
                lines.append("a=end-of-candidates" if end else f"a={candidate.candidate}")
    return "".join(f"{line}\r\n" for line in lines)


def parse_fragment(text: str) -> Fragment:
    """Read the body of a PATCH, or of its answer.

    Candidates before the first media line are of the section ``0``, to which RFC 9725 bundles all.

    Raises:
        NegotiationError: ``bad_candidate``: it has no credentials, or what is not to be there.
    """
    ufrag = password = ""
    mid = "0"
    candidates: list[IceCandidate] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        name, _, value = line.partition(":")
        if name == "a=ice-ufrag":
            ufrag = ufrag or value
        elif name == "a=ice-pwd":
            password = password or value
        elif name == "a=mid":
            mid = value
        elif name == "a=candidate":
            candidates.append(IceCandidate(candidate=line[2:], sdp_mid=mid))
        elif name == "a=end-of-candidates":
            candidates.append(IceCandidate(candidate="", sdp_mid=mid))
        elif line and not re.match(r"[a-z]=", line):
            raise _bad(f"has a line that is no SDP: {line[:40]!r}")
    if not _UFRAG.fullmatch(ufrag) or not _PASSWORD.fullmatch(password):
        raise _bad("has no ICE credentials")
    if len(candidates) > MAX_CANDIDATES:
        raise _bad(f"has more than {MAX_CANDIDATES} candidates")
    if any(len(c.candidate) > 2048 or len(c.sdp_mid or "") > 256 for c in candidates):
        raise _bad("has a candidate that is too long")
    return Fragment(
        ufrag,
        password,
        [
            IceCandidate(candidate=c.candidate, sdp_mid=c.sdp_mid, username_fragment=ufrag)
            for c in candidates
        ],
    )


def _bad(what: str) -> NegotiationError:
    return NegotiationError(f"an SDP fragment {what}", code="bad_candidate")


@dataclass(frozen=True, slots=True)
class IceLink:
    """A STUN or TURN server as a ``Link`` header names it."""

    url: str
    username: str | None = None
    credential: str | None = None


def format_links(links: Iterable[IceLink]) -> str:
    """The value of a ``Link`` header; empty without links."""
    return ", ".join(_format_link(link) for link in links)


def _format_link(link: IceLink) -> str:
    parts = [f"<{link.url}>", f'rel="{ICE_SERVER}"']
    if link.username is not None and link.credential is not None:
        parts += [
            f"username={_quoted(link.username)}",
            f"credential={_quoted(link.credential)}",
            'credential-type="password"',
        ]
    return "; ".join(parts)


def _quoted(text: str) -> str:
    # RFC 9110, section 5.6.4
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


_LINK: Final = re.compile(
    r"""[\s,]*<(?P<url>[^>]*)>(?P<parameters>(?:\s*;\s*[\w*!#$&+.^`|~-]+
        (?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",;]+))?)*)""",
    re.VERBOSE,
)
_PARAMETER: Final = re.compile(
    r""";\s*(?P<name>[\w*!#$&+.^`|~-]+)(?:\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s",;]+)))?"""
)


def parse_links(value: str) -> list[IceLink]:
    """The ICE servers that the ``Link`` headers of an answer name (RFC 8288, section 3).

    Args:
        value: of all of them, with commas between them. What is no link, or is one to something
            else, is left out.
    """
    found = []
    position = 0
    while match := _LINK.match(value, position):
        position = match.end()
        parameters: dict[str, str] = {}
        for parameter in _PARAMETER.finditer(match["parameters"]):
            text = parameter["token"] or re.sub(r"\\(.)", r"\1", parameter["quoted"] or "")
            parameters.setdefault(parameter["name"].lower(), text)
        if ICE_SERVER in parameters.get("rel", "").lower().split():
            found.append(
                IceLink(match["url"], parameters.get("username"), parameters.get("credential"))
            )
    return found
