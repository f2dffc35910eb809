"""Messages that are given up, and how the other side hears of it (RFC 3758, section 3.5, and
RFC 8260, section 2.3).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from .outbound import (
    ABANDONED,
    ACKNOWLEDGED,
    FORWARD_TSN,
    I_FORWARD_TSN,
    OutboundChunk,
    UserMessage,
)
from .send_queue import SendQueue
from .sent import SentChunks
from .serial import on_wire

_HEADER: Final = Struct("!BBHL")
_STREAM: Final = Struct("!HH")
_MESSAGE: Final = Struct("!HHL")

MAX_STREAMS: Final = 140
"""Streams that one chunk tells of: it fits into a packet of the smallest size."""


def is_over(message: UserMessage, transmissions: int, now: float) -> bool:
    """Whether a message of which a chunk was sent so often is not to be sent again."""
    if message.is_abandoned:
        return True
    if message.max_retransmits is not None and transmissions > message.max_retransmits:
        return True
    return message.expires is not None and message.expires <= now


class PartialReliability:
    """What was given up, and is to be passed over by the other side.

    Args:
        sent: what was sent.
        queue: what was not.

    Attributes:
        is_due: whether a FORWARD TSN is to be sent.
    """

    def __init__(self, sent: SentChunks, queue: SendQueue):
        self._sent = sent
        self._queue = queue
        self._point = sent.acknowledged
        self.is_due = False
        self._told_at = 0.0

    def abandon(self, message: UserMessage) -> None:
        """Give up a message, with all chunks of it (A3)."""
        sent = self._sent
        message.is_abandoned = True
        for tsn in message.tsns or ():
            chunk = sent.get(tsn)
            if chunk is not None and chunk.state != ACKNOWLEDGED:
                sent.leave(chunk, ABANDONED)
        if message.position < len(message.data):
            # Its end gets a TSN without being sent, so that it ends for the other side as well.
            self._queue.end(message)
            message.position = len(message.data)
            end = OutboundChunk(sent.next_tsn, message, 0, interleaved=self._queue.interleaves)
            end.state = ABANDONED
            sent.add(end)

    def advance(self) -> None:
        """See how far the other side may pass over what it has not (C1)."""
        sent = self._sent
        point = max(self._point, sent.acknowledged)
        while (chunk := sent.get(point + 1)) is not None and chunk.state == ABANDONED:
            point += 1
        if point > self._point and point > sent.acknowledged:
            self.is_due = True
        self._point = point

    def remind(self, now: float, after: float) -> None:
        """Tell again what has not been heard: the last one may be lost (A5)."""
        if self._point > self._sent.acknowledged and now >= self._told_at + after:
            self.is_due = True

    @property
    def waits(self) -> bool:
        """Whether the other side is to pass over something, and has not."""
        return self._point > self._sent.acknowledged

    def take(self, now: float) -> bytes:
        """The FORWARD TSN chunk, or I-FORWARD-TSN."""
        self.is_due = False
        self._told_at = now
        interleaves = self._queue.interleaves
        #: By stream, and whether it is unordered, the last message that is passed over.
        passed: dict[tuple[int, bool], int] = {}
        for before in range(self._sent.acknowledged, self._point):
            chunk = self._sent.get(before + 1)
            if chunk is not None and (interleaves or chunk.message.ordered):
                message = chunk.message
                passed[message.stream, not message.ordered] = message.sequence
                if len(passed) == MAX_STREAMS:
                    # The rest follows when this is acknowledged.
                    self._point = before + 1
                    break
        if interleaves:
            kind = I_FORWARD_TSN
            body = b"".join(_MESSAGE.pack(*key, number) for key, number in passed.items())
        else:
            kind = FORWARD_TSN
            body = b"".join(_STREAM.pack(key[0], number) for key, number in passed.items())
        return _HEADER.pack(kind, 0, _HEADER.size + len(body), on_wire(self._point)) + body
