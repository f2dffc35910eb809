"""Sections that share a transport (RFC 9143), in the text of descriptions."""

from __future__ import annotations

from collections.abc import Sequence

from .section_text import join, mid_of, split

BUNDLE = "a=group:BUNDLE"

TRANSPORT = ("a=ice-ufrag:", "a=ice-pwd:", "a=ice-options:", "a=fingerprint:", "a=setup:")

MUX = "a=rtcp-mux"

MAX_TRANSPORT_LINES = 32
"""Of one section, which may stand for all others."""


def bundles(sdp: str) -> list[list[str]]:
    """The ids in each bundle of a description."""
    session, *_ = split(sdp)
    return [line.split()[1:] for line in session if line.split()[:1] == [BUNDLE]]


def with_shared_transport(sdp: str) -> str:
    """The same description, with what the first section of a bundle says for all in each.

    What is about the transport need not be repeated in the others, and must not be in one that is
    for the bundle only (RFC 9143, section 7.1.3). aiortc 1.16 wants it in each.
    """
    session, *sections = split(sdp)
    by_mid = {mid_of(section): section for section in sections}
    for mids in bundles(sdp):
        bundle = [by_mid[mid] for mid in mids if mid in by_mid]
        if not bundle:
            continue
        shared = [line for line in bundle[0] if line.startswith(TRANSPORT)][:MAX_TRANSPORT_LINES]
        is_muxed = any(MUX in section for section in bundle)
        for section in bundle[1:]:
            if any(line.startswith("a=ice-ufrag:") for line in (*session, *section)):
                continue
            section += [line for line in shared if not _says(section, line)]
            if is_muxed and MUX not in section and section[0].startswith(("m=audio ", "m=video ")):
                section.append(MUX)
    return join([session, *sections])


def _says(section: Sequence[str], line: str) -> bool:
    return any(said.startswith(line.partition(":")[0] + ":") for said in section)


def with_bundle_of(sdp: str, offered: Sequence[Sequence[str]]) -> str:
    """An answer of aiortc's, whose bundle has everything, with no more in it than was offered.

    Only the first bundle of an offer is one here; the sections of others have their own transports.
    """
    session, *sections = split(sdp)
    mids = offered[0] if offered else ()
    told = []
    for line in session:
        if line.split()[:1] == [BUNDLE]:
            kept = [mid for mid in line.split()[1:] if mid in mids]
            if kept:
                told.append(" ".join([BUNDLE, *kept]))
        else:
            told.append(line)
    return join([told, *sections])
