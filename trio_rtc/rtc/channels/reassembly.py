"""Reassembly of messages from their frames. Without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ...errors import MessageTooLarge
from .credit import ReceiveWindow
from .extension import MAX_MESSAGE_SIZE, WINDOW
from .framing import (
    ABANDON,
    ABANDON_FRAME,
    BINARY,
    BINARY_PART,
    FRAME_COST,
    PART_HEADER,
    PART_SIZE,
    TEXT,
    TEXT_PART,
    FramingError,
    cost,
)

PARTIAL_COST: Final = 512
"""Bytes that Python needs to keep a message that is not complete, beside its parts."""

MAX_PARTIALS: Final = 256
"""Messages of one channel that are not complete; a peer of ours has one at a time under way, and
others whose parts were overtaken or lost."""


@dataclass
class _Partial:
    is_text: bool
    size: int
    parts: dict[int, bytes] = field(default_factory=dict)
    received: int = 0
    owed: int = 0
    kept: int = PARTIAL_COST

    def add(self, offset: int, part: bytes) -> None:
        self.parts[offset] = part
        self.received += len(part)
        self.owed += cost(len(part))
        self.kept += len(part) + FRAME_COST

    def join(self) -> str | bytes:
        end = 0
        for offset in sorted(self.parts):
            if offset != end:
                raise FramingError("the parts of a message do not fit together")
            end += len(self.parts[offset])
        return _decode(b"".join(self.parts[offset] for offset in sorted(self.parts)), self.is_text)


class Reassembled(NamedTuple):
    """A message, or the error in its place, and what is to be counted as read with it."""

    message: str | bytes | MessageTooLarge
    size: int
    cost: int


class Reassembler:
    """The receiving side of a channel.

    Args:
        ordered: whether a frame that begins a message ends the one before it.
        receive_window: is told what has come, and what of it will never be read; None where
            frames may be lost, and cost nothing.
        limit: bytes of one message.

    Attributes:
        kept: bytes of messages that are not complete, with what it costs to keep them.
    """

    def __init__(
        self, *, ordered: bool, receive_window: ReceiveWindow | None, limit: int = MAX_MESSAGE_SIZE
    ):
        self._ordered = ordered
        self._receive_window = receive_window
        self._limit = limit
        self._partials: dict[int, _Partial] = {}
        self._abandoned: dict[int, int] = {}
        self.kept = 0

    def take(self, frame: bytes) -> Reassembled | None:
        """Take a frame that is no credit; return the message that it completes.

        That is a `MessageTooLarge` for the first part of one over the limit. No peer of ours
        sends one: the channel cannot be used any more.

        Raises:
            FramingError: this channel cannot be used any more.
        """
        kind = frame[0] if frame else -1
        if kind in (TEXT, BINARY):
            if len(frame) > 1 + PART_SIZE:
                raise FramingError("a whole message that should have been split")
            size = len(frame) - 1
            self._count_arrived(size)
            if self._ordered:
                self.discard_all()
            return Reassembled(_decode(frame[1:], kind == TEXT), size, cost(size))
        if kind in (TEXT_PART, BINARY_PART):
            return self._take_part(frame)
        if kind == ABANDON and len(frame) == ABANDON_FRAME.size:
            self._give_up(*ABANDON_FRAME.unpack(frame)[1:])
            return None
        raise FramingError(f"a frame of the unknown kind {kind}")

    def advance(self) -> None:
        """All that is complete has been read: let go on what is larger than half a window.

        Without that a message would have to wait for credit that only its own end brings.
        """
        for partial in self._partials.values():
            if partial.size > WINDOW // 2:
                self._count_read(partial.owed)
                partial.owed = 0

    def discard_all(self) -> None:
        """What is not complete never will be."""
        for partial in self._partials.values():
            self._count_read(partial.owed)
        self._partials.clear()
        self.kept = 0

    def _take_part(self, frame: bytes) -> Reassembled | None:
        if len(frame) <= PART_HEADER.size or len(frame) > PART_HEADER.size + PART_SIZE:
            raise FramingError("a part of the wrong size")
        kind, id_, size, offset = PART_HEADER.unpack_from(frame)
        part = frame[PART_HEADER.size :]
        self._count_arrived(len(part))
        if id_ in self._abandoned:
            self._count_read(cost(len(part)))
            self._give_up_rest(id_, len(part))
            return None
        partial = self._partials.get(id_)
        if partial is None:
            if self._ordered:
                self.discard_all()
            if size > self._limit:
                return Reassembled(too_large(size, self._limit), 0, 0)
            partial = self._partials[id_] = _Partial(kind == TEXT_PART, size)
            self.kept += partial.kept
        if offset in partial.parts or offset + len(part) > partial.size or size != partial.size:
            raise FramingError("the parts of a message do not fit together")
        before = partial.kept
        partial.add(offset, part)
        self.kept += partial.kept - before
        self._bound()
        if partial.received >= partial.size and self._forget(id_) is not None:
            return Reassembled(partial.join(), partial.size, partial.owed)
        return None

    def _count_arrived(self, size: int) -> None:
        if self._receive_window is not None:
            self._receive_window.arrived(cost(size))

    def _count_read(self, amount: int) -> None:
        if self._receive_window is not None:
            self._receive_window.read(amount)

    def _bound(self) -> None:
        """Never keep more than the largest message and a window."""
        most = self._limit + self._limit // PART_SIZE * FRAME_COST + PARTIAL_COST + WINDOW
        if self._receive_window is not None:
            most += self._receive_window.size - WINDOW
        while self.kept > most or len(self._partials) > MAX_PARTIALS:
            if self._receive_window is not None:
                raise FramingError("too many messages are not complete")
            self._forget(next(iter(self._partials)))

    def _forget(self, id_: int) -> _Partial | None:
        partial = self._partials.pop(id_, None)
        if partial is not None:
            self.kept -= partial.kept
        return partial

    def _give_up(self, id_: int, sent: int) -> None:
        partial = self._forget(id_)
        received = 0
        if partial is not None:
            self._count_read(partial.owed)
            received = partial.received
        if not self._ordered and self._receive_window is not None and sent > received:
            # The rest overtook nothing: it is still on its way.
            if len(self._abandoned) >= 1024:
                raise FramingError("too many messages were given up")
            self._abandoned[id_] = sent - received

    def _give_up_rest(self, id_: int, size: int) -> None:
        self._abandoned[id_] -= size
        if self._abandoned[id_] <= 0:
            del self._abandoned[id_]


def too_large(size: int, limit: int) -> MessageTooLarge:
    return MessageTooLarge(
        f"the other side has sent a message of {size} bytes, over our limit of {limit}",
        fault="remote",
    )


def _decode(data: bytes, is_text: bool) -> str | bytes:
    if not is_text:
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FramingError(f"a text that is not UTF-8: {error}") from error
