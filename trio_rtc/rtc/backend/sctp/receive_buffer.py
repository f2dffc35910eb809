"""Receive buffer of an SCTP association: messages that are not complete. Without I/O.

aiortc 1.16 advertises a window (RFC 9260, section 3.3.2) and keeps whatever comes all the same: a
message that never ends, or packets that overtake one which never comes, for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Final, Literal

WINDOW: Final = 8 * 1024 * 1024
"""The window that is advertised: what arrives behind a loss, on a fast path of a long way."""

MAX_BYTES: Final = 10 * 1024 * 1024
"""Bytes above which a chunk that overtakes another is dropped, as if it had been lost: its sender
sends it again. Senders of aiortc's do not look at the window."""

MAX_CHUNKS: Final = 10_240
"""The same in chunks, of which each costs some hundred bytes beside its own."""

RECOUNT: Final = 1024
"""Chunks after which those that are kept are counted again."""


class ReceiveBuffer:
    """The limit of an association."""

    def __init__(self) -> None:
        self._counted = 0
        self._since = 0

    def judge(
        self, *, is_next: bool, advertised: int, streams: Iterable[Sized]
    ) -> Literal["take", "drop", "abort"]:
        """What to do with a chunk of data.

        Args:
            is_next: whether all before it has come: only that makes messages complete. Twice the
                limit of such chunks, and no message complete, is a message that never ends.
            advertised: the window as it would be advertised now; below 0 if more was sent.
            streams: all there are, each with as many chunks as are kept of it.
        """
        self._since += 1
        if self._counted + self._since > MAX_CHUNKS and self._since >= RECOUNT:
            self._counted = sum(map(len, streams))
            self._since = 0
        kept = max((WINDOW - advertised) / MAX_BYTES, self._counted / MAX_CHUNKS)
        if is_next:
            return "take" if kept < 2 else "abort"
        return "take" if kept < 1 else "drop"
