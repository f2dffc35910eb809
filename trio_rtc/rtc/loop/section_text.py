"""The text of a description (RFC 8866), in the parts that its media sections make of it."""

from __future__ import annotations

import re
from collections.abc import Iterable


def split(sdp: str) -> list[list[str]]:
    """The lines of the session, and those of each section."""
    parts: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            parts.append([])
        parts[-1].append(_tidy(line))
    return parts


def _tidy(line: str) -> str:
    """A line without what some write in it, and what aiortc 1.16 takes for something else."""
    line = line.rstrip()
    if line.startswith("a=fmtp:"):
        return re.sub(r";\s+", ";", line)
    if line.startswith("a=extmap:"):
        # Attributes of the extension may follow (RFC 8285, section 8).
        return " ".join(line.split()[:2])
    return line


def join(parts: Iterable[Iterable[str]]) -> str:
    return "".join(f"{line}\r\n" for part in parts for line in part)


def mid_of(section: Iterable[str]) -> str:
    """The id of a section; empty if it has none."""
    return next((line.removeprefix("a=mid:") for line in section if line.startswith("a=mid:")), "")
