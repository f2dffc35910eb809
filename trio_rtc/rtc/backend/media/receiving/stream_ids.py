"""RTP stream ids: which layer each source of a simulcast is of (RFC 8851, 8852 and 8853).

A source says it in a header extension of its packets until it knows that it was heard; so does one
that only sends again what was lost. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MOST_SOURCES: Final = 64
"""How many are known at most: each layer has two at a time."""


class StreamIds:
    """The sources of one track.

    Args:
        rids: the ids (RID) that were agreed on; none for a track that is no simulcast.
    """

    def __init__(self, rids: Iterable[str] = ()):
        self.rids = frozenset(rids)
        self._known: dict[int, str] = {}

    def learn(self, ssrc: int, rid: str | None) -> str | None:
        """The id of a source, by what its packet says, or one before that has said."""
        if rid in self.rids:
            assert rid is not None
            if self._known.pop(ssrc, None) is None and len(self._known) >= MOST_SOURCES:
                del self._known[next(iter(self._known))]
            self._known[ssrc] = rid
        return self._known.get(ssrc)

    def of(self, ssrc: int) -> str | None:
        """The id of a source; None if that is not known."""
        return self._known.get(ssrc)
