"""Framing of messages between two peers of ours: the frames, and splitting. Without I/O.

A frame is a binary message of the data channel. Its first byte tells what it is:

====  =====================================================  =================================
0, 1  a whole message, text or binary                        its bytes
2, 3  a part of a message, text or binary                    id (32 bits), size of the message
                                                             and offset (64 each), bytes
4     a message is given up, its sender was cancelled        id (32), bytes sent of it (64)
5     credit                                                 cost of all that was read (64)
6     the window holds its sender up
7     the window has grown                                   its size (64)
====  =====================================================  =================================

Whole messages and parts cost credit. On a channel that may lose messages there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

PART_SIZE: Final = 64 * 1024
"""Bytes of a message above which it is split, and those of each part but the last."""

FRAME_COST: Final = 64
"""What a frame costs beside its bytes: what Python keeps for one."""

TEXT, BINARY, TEXT_PART, BINARY_PART, ABANDON, CREDIT, BLOCKED, GROWN = range(8)

PART_HEADER: Final = Struct("!BIQQ")
ABANDON_FRAME: Final = Struct("!BIQ")
CREDIT_FRAME: Final = Struct("!BQ")
GROWN_FRAME: Final = Struct("!BQ")
BLOCKED_FRAME: Final = bytes([BLOCKED])
_IDS: Final = 2**32


class FramingError(ValueError):
    """A frame that no peer of ours sends."""


def cost(size: int) -> int:
    """What a frame with so many bytes of a message costs."""
    return size + FRAME_COST


def whole(data: bytes, *, is_text: bool) -> bytes:
    """The frame of a message in one piece."""
    return (b"\x00" if is_text else b"\x01") + data


class Splitter:
    """The sending side of a channel."""

    def __init__(self) -> None:
        self._next_id = 0

    def split(self, data: bytes, *, is_text: bool) -> Split:
        """Begin with a message; text is UTF-8."""
        self._next_id = (self._next_id + 1) % _IDS
        return Split(self._next_id, is_text, data)


@dataclass
class Split:
    """One message on its way.

    Attributes:
        sent: bytes of it in the frames that were taken.
        is_complete: whether all frames were.
    """

    id: int
    is_text: bool
    data: bytes
    sent: int = 0
    is_complete: bool = False

    def next_size(self) -> int:
        """Bytes of the message in the next frame."""
        return min(PART_SIZE, len(self.data) - self.sent)

    def next_frame(self) -> bytes:
        """Take it."""
        size, offset = len(self.data), self.sent
        part = self.data[offset : offset + PART_SIZE]
        self.sent += len(part)
        self.is_complete = self.sent == size
        if size <= PART_SIZE:
            return whole(part, is_text=self.is_text)
        kind = TEXT_PART if self.is_text else BINARY_PART
        return PART_HEADER.pack(kind, self.id, size, offset) + part

    def abandon(self) -> bytes:
        """The frame that tells that no more of it will come."""
        return ABANDON_FRAME.pack(ABANDON, self.id, self.sent)
