"""SDP (RFC 8866) as text, in the parts that its media sections make of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

STATIC = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000"}
"""Codecs that need not be described (RFC 3551, section 6)."""


OF_ONE_FORMAT = ("a=rtpmap:", "a=fmtp:")

EXTENSION_IDS = range(1, 256)
"""Of packets. An offer may have others, which nobody need take (RFC 8285, section 5)."""


def split(sdp: str) -> list[list[str]]:
    """The lines of the session, and those of each section, for the caller to change."""
    return [list(part) for part in _split(sdp)]


# Whoever reads a description asks each of its sections for something: 34 times in a call.
@lru_cache(maxsize=8)
def _split(sdp: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            parts.append([])
        if tidy := _tidy(line):
            parts[-1].append(tidy)
    for section in parts[1:]:
        _complete(section)
    return parts


def _complete(section: list[str]) -> None:
    """Say what goes without saying, and nothing of unknown formats, but not for aiortc 1.16."""
    kind, *numbers = section[0].split()[:1] + section[0].split()[3:]
    if kind not in ("m=audio", "m=video"):
        return
    described = {_format(line) for line in section if line.startswith("a=rtpmap:")}
    if kind == "m=audio":
        for number in STATIC.keys() - described:
            if number in numbers:
                section.append(f"a=rtpmap:{number} {STATIC[number]}")
                described.add(number)
    known = described.intersection(numbers)
    section[:] = [
        line for line in section if not line.startswith(OF_ONE_FORMAT) or _format(line) in known
    ]


def _format(line: str) -> str:
    return line.partition(":")[2].partition(" ")[0]


def _tidy(line: str) -> str:
    """A line without what some write in it, and what aiortc 1.16 takes for something else."""
    line = line.rstrip()
    if line.startswith("m=application ") and line.endswith(" DTLS/SCTP webrtc-datachannel"):
        # The profile of the drafts with the format of RFC 8841.
        return line.replace(" DTLS/SCTP ", " UDP/DTLS/SCTP ")
    if line.startswith("a=fmtp:"):
        if len(line.split(None, 1)) < 2:
            return ""
        return re.sub(r";\s+", ";", line)
    if line.startswith("a=extmap:"):
        # Attributes of the extension may follow (RFC 8285, section 8).
        number = re.match(r"a=extmap:(\d{1,9})", line)
        if number is not None and int(number[1]) not in EXTENSION_IDS:
            return ""
        return " ".join(line.split()[:2])
    if line.startswith("a=ssrc:") and ":" not in line.removeprefix("a=ssrc:"):
        # An attribute of a source may have no value (RFC 5576, section 4.1).
        return ""
    return line


def join(parts: Iterable[Iterable[str]]) -> str:
    return "".join(f"{line}\r\n" for part in parts for line in part)


def mid_of(section: Iterable[str]) -> str:
    """The id of a section; empty if it has none."""
    return next((line.removeprefix("a=mid:") for line in section if line.startswith("a=mid:")), "")


def mids_of(sdp: str) -> list[str]:
    """The ids of the sections of a description, in their order."""
    return [mid_of(section) for section in _split(sdp)[1:]]


def with_ids(sdp: str, ids: Sequence[str]) -> tuple[str, list[str]]:
    """The same description with an id for each section, and those that were given to some.

    Args:
        sdp: of the other side.
        ids: of the sections of before, in their order; those of others are made up.
    """
    session, *sections = split(sdp)
    taken = {mid_of(section) for section in sections}
    given = []
    for index, section in enumerate(sections):
        if not mid_of(section):
            known = index < len(ids) and ids[index] not in taken
            mid = ids[index] if known else f"section{index}"
            given.append(mid)
            section.append(f"a=mid:{mid}")
    return (join([session, *sections]), given) if given else (sdp, given)


def without_ids(sdp: str, mids: Collection[str]) -> str:
    """A description without these ids, which the other side has not."""
    if not mids:
        return sdp
    lines = {f"a=mid:{mid}" for mid in mids}
    session, *sections = split(sdp)
    session = [
        " ".join(part for part in line.split() if part not in mids)
        if line.startswith("a=group:")
        else line
        for line in session
    ]
    session = [line for line in session if not line.startswith("a=group:") or " " in line]
    return join([session, *([line for line in part if line not in lines] for part in sections)])
