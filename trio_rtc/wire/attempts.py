"""Attempts to connect: what two sides have tried, and what may help, in words. Without I/O.

The page has the same (``page/attempts.js``; ``tests/data/vectors/attempts.json``).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_SHOWN_PAIRS: Final = 2


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a candidate is; a name that hides it has no version."""

    host: str
    kind: str
    transport: str
    version: int | None
    is_private: bool

    def __str__(self) -> str:
        return f"{self.host} ({self.kind})"


def _parse(line: str) -> _Address | None:
    """The address of a candidate's line (RFC 8839, section 5.1); None if it has none."""
    words = line.split()
    if len(words) < 8 or words[6] != "typ":
        return None
    try:
        address = ipaddress.ip_address(words[4])
    except ValueError:
        return _Address(words[4], words[7], words[2].lower(), None, is_private=True)
    return _Address(
        words[4], words[7], words[2].lower(), address.version, is_private=not address.is_global
    )


def _parse_all(lines: Iterable[str]) -> list[_Address]:
    # One is told for each media section.
    return list(dict.fromkeys(found for line in lines if (found := _parse(line)) is not None))


def candidate_lines(sdp: str) -> list[str]:
    """The candidates that a description tells, as lines."""
    return re.findall(r"^a=(candidate:[^\r\n]*)", sdp, re.MULTILINE)


def describe_attempt(local: Iterable[str], remote: Iterable[str] | None, *, turn: bool) -> str:
    """What was tried, pair by pair, and what there was not, in a sentence.

    Args:
        local: our candidates' lines, ``candidate:...``.
        remote: theirs; None if they have not answered.
        turn: whether we had a TURN server.
    """
    if remote is None:
        return "they have not answered"
    ours, theirs = _parse_all(local), _parse_all(remote)
    return "; ".join([*_tried(ours, theirs), *_missing(ours, theirs, turn=turn)])


def _tried(ours: list[_Address], theirs: list[_Address]) -> list[str]:
    if not ours:
        return ["we have no address"]
    if not theirs:
        return ["they offered no address"]
    if all(one.version is None for one in theirs):
        return ["they offered only .local names, which resolve in their own network alone"]
    # What a STUN server sees is checked from the host's own address (RFC 8445, section 6.1.2.4). A
    # name hides an address of ours, whatever its version.
    pairs = [
        (one, other)
        for one in ours
        for other in theirs
        if one.kind in ("host", "relay")
        and one.version in (None, other.version)
        and one.transport == other.transport
    ]
    if not pairs:
        return [f"none of our addresses goes with one of theirs ({_list(ours)}; {_list(theirs)})"]
    shown = [f"{one} does not reach {other}" for one, other in pairs[:_SHOWN_PAIRS]]
    more = len(pairs) - _SHOWN_PAIRS
    if more > 0:
        shown.append(f"nor does any of {more} more pairs" if more > 1 else "nor does another pair")
    return [", ".join(shown)]


def _list(addresses: list[_Address]) -> str:
    return ", ".join(str(one) for one in addresses[:3])


def _missing(ours: list[_Address], theirs: list[_Address], *, turn: bool) -> list[str]:
    found = []
    named = [one for one in theirs if one.version is not None]
    if named and all(one.is_private for one in named):
        found.append("their addresses are of a private network")
    if not turn:
        found.append("no TURN server was given")
    elif all(one.kind != "relay" for one in ours):
        found.append("the TURN server has given no relay")
    return found
