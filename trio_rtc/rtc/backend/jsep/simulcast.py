"""Simulcast as it is negotiated: a section of video that is offered in several layers (RFC 8853).

Who is asked for none of them sends the first one alone. aiortc 1.16 knows neither ``a=simulcast``
nor ``a=rid`` (RFC 8851), but can read the header extensions that tell layers apart (RFC 8852).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from aiortc import RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters as Extension
from aiortc.sdp import MediaDescription

from ..patches import can
from .section_text import join, mid_of, split

RID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
"""The layer of a packet, and that of one that was sent again."""

MOST_LAYERS: Final = 4
"""Each has a receive buffer of its own, and browsers send three."""

RESTRICTIONS: Final = frozenset(
    ("pt", "max-width", "max-height", "max-fps", "max-fs", "max-br", "max-pps", "max-bpp")
)
"""What may be said of a layer. One of which something else is said cannot be taken (RFC 8851,
section 6.3)."""


class Simulcast:
    """The sections that the other side sends in layers.

    Args:
        is_wanted: whether we take more than one.
    """

    def __init__(self, *, is_wanted: bool):
        self._is_wanted = is_wanted and can("receiving") and can("congestion")
        #: By the ids of sections: the layers, and what restricts each.
        self._layers: Mapping[str, Mapping[str, str]] = {}

    def take_offer(self, sdp: str) -> None:
        """Learn what is offered: of all sections anew."""
        if self._is_wanted:
            found = {mid_of(part): _layers(part) for part in split(sdp)[1:]}
            self._layers = {mid: layers for mid, layers in found.items() if len(layers) > 1}

    def rids(self, mid: str | None) -> tuple[str, ...]:
        """The names of the layers of a section; none if it is no simulcast."""
        return tuple(self._layers.get(mid or "", ()))

    def adopt(self, transceiver: RTCRtpTransceiver, media: MediaDescription) -> None:
        """Have a section read what tells its layers apart."""
        if not self.rids(transceiver.mid):
            return
        offered = [e for e in media.rtp.headerExtensions if e.uri in (RID_URI, REPAIRED_URI)]
        known = [e for e in transceiver._headerExtensions if e.uri not in (RID_URI, REPAIRED_URI)]
        transceiver._headerExtensions = [
            *known,
            *(Extension(id=extension.id, uri=extension.uri) for extension in offered),
        ]

    def described(self, sdp: str) -> str:
        """A description of ours that says which layers we take."""
        if not self._layers:
            return sdp
        session, *sections = split(sdp)
        for section in sections:
            layers = self._layers.get(mid_of(section), {})
            if layers and section[0].split()[1] != "0" and _receives(section):
                formats = section[0].split()[3:]
                section += _taken(layers, formats)
        return join([session, *sections])


def _layers(section: list[str]) -> dict[str, str]:
    """The layers that are sent in a section of an offer, in its order."""
    kind, port = section[0].split()[:2]
    extensions = {line.partition(" ")[2] for line in section if line.startswith("a=extmap:")}
    if kind != "m=video" or port == "0" or RID_URI not in extensions:
        return {}
    said = dict(_rid(line) for line in section if line.startswith("a=rid:") and _is_sent(line))
    listed = next((line for line in section if line.startswith("a=simulcast:")), "")
    words = listed.removeprefix("a=simulcast:").split()
    streams = words[words.index("send") + 1 :][:1] if "send" in words else []
    found: dict[str, str] = {}
    for alternatives in ";".join(streams).split(";"):
        # Of several for one layer the first; one that pauses (~) may go on.
        rid = alternatives.split(",")[0].removeprefix("~")
        if rid in said and _is_known(said[rid]) and len(found) < MOST_LAYERS:
            found[rid] = said[rid]
    return found


def _rid(line: str) -> tuple[str, str]:
    """Its name, and what restricts it."""
    name, _, rest = line.removeprefix("a=rid:").partition(" ")
    return name, rest.partition(" ")[2].strip()


def _is_sent(line: str) -> bool:
    return line.split()[1:2] == ["send"]


def _restrictions(text: str) -> list[tuple[str, str]]:
    parts = [part.partition("=") for part in text.split(";") if part]
    return [(name.strip(), value) for name, _, value in parts]


def _is_known(text: str) -> bool:
    return all(name in RESTRICTIONS for name, _ in _restrictions(text))


def _receives(section: Iterable[str]) -> bool:
    return not {"a=sendonly", "a=inactive"}.intersection(section)


def _taken(layers: Mapping[str, str], formats: list[str]) -> list[str]:
    lines, taken = [], []
    for rid, text in layers.items():
        restrictions = []
        for name, value in _restrictions(text):
            of = ",".join(one for one in value.split(",") if one in formats)
            restrictions.append((name, of if name == "pt" else value))
        if ("pt", "") in restrictions:
            # It is of codecs that we do not take.
            continue
        rest = ";".join(f"{name}={value}" if value else name for name, value in restrictions)
        lines.append(f"a=rid:{rid} recv {rest}".rstrip())
        taken.append(rid)
    return [*lines, f"a=simulcast:recv {';'.join(taken)}"] if taken else []
