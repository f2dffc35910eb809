"""Reassembly of messages that are between each other (RFC 8260, section 2.2.3). Without I/O."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from .machine.outbound import FIRST, LAST, UNORDERED
from .machine.serial import on_wire, unwrap

_DATA: Final = Struct("!LHHLL")
_PASSED: Final = Struct("!HHL")
_LOOSE: Final = 0x01


class MessageFragment(NamedTuple):
    """What an I-DATA chunk carries.

    Attributes:
        message: the number of its message, of those that are ordered or of those that are not.
        number: its own within that.
        protocol: of the message; of the first fragment only.
    """

    tsn: int
    stream: int
    message: int
    number: int
    protocol: int
    is_last: bool
    ordered: bool
    data: bytes


def parse_i_data(flags: int, body: bytes) -> MessageFragment | None:
    """An I-DATA chunk after its header; None if it is too short, or empty (section 2.1)."""
    if len(body) <= _DATA.size:
        return None
    tsn, stream, _, message, last = _DATA.unpack_from(body)
    number, protocol = (0, last) if flags & FIRST else (last, 0)
    return MessageFragment(
        *(tsn, stream, message, number, protocol, bool(flags & LAST), not flags & UNORDERED),
        body[_DATA.size :],
    )


def parse_i_forward_tsn(body: bytes) -> dict[tuple[int, bool], int]:
    """Of an I-FORWARD-TSN chunk the last message that is passed over, by stream, and whether it is
    ordered.
    """
    passed: dict[tuple[int, bool], int] = {}
    for at in range(4, len(body) - _PASSED.size + 1, _PASSED.size):
        stream, flags, message = _PASSED.unpack_from(body, at)
        key = stream, not flags & _LOOSE
        before = passed.get(key, message)
        passed[key] = max(before, unwrap(message, before))
    return passed


class _IncompleteMessage:
    """The fragments of a message that have come, by their numbers."""

    __slots__ = ("fragments", "last", "protocol")

    def __init__(self) -> None:
        self.fragments: dict[int, bytes] = {}
        self.last: int | None = None
        self.protocol = 0

    def add(self, fragment: MessageFragment) -> bool:
        """Take one; return whether it is one of the message."""
        number = fragment.number
        if number in self.fragments or (self.last is not None and number > self.last):
            return False
        if fragment.is_last:
            if any(other > number for other in self.fragments):
                return False
            self.last = number
        if not number:
            self.protocol = fragment.protocol
        self.fragments[number] = fragment.data
        return True

    @property
    def is_complete(self) -> bool:
        return self.last is not None and len(self.fragments) > self.last

    @property
    def size(self) -> int:
        return sum(map(len, self.fragments.values()))

    def joined(self) -> bytes:
        fragments = self.fragments
        return b"".join([fragments[number] for number in range(len(fragments))])


class InterleavedStream:
    """The messages of a stream that are not complete, or not next.

    ``len`` of it is how many chunks those are.
    """

    def __init__(self) -> None:
        #: The number of the next ordered message. It does not wrap.
        self._next = 0
        #: The last unordered message that is over.
        self._last = -1
        #: The last that was passed over: fragments of it may still be on their way.
        self._passed = -1 << 32
        self._ordered: dict[int, _IncompleteMessage] = {}
        self._unordered: dict[int, _IncompleteMessage] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def is_next(self, fragment: MessageFragment) -> bool:
        """Whether one is a message for which nothing has to be kept."""
        if not fragment.is_last or fragment.number:
            return False
        if not fragment.ordered:
            return True
        return fragment.message == on_wire(self._next) and not self._ordered

    def passed(self, fragment: MessageFragment) -> None:
        """Count one of those."""
        if fragment.ordered:
            self._next += 1

    def add(self, fragment: MessageFragment) -> bool:
        """Keep one; return whether that makes sense."""
        if fragment.ordered:
            message = unwrap(fragment.message, self._next)
            partials, over = self._ordered, message < self._next
        else:
            message = unwrap(fragment.message, self._last)
            partials, over = self._unordered, message <= self._passed
        if over:
            return False
        partial = partials.get(message)
        if partial is None:
            partial = partials[message] = _IncompleteMessage()
        if not partial.add(fragment):
            return False
        self._count += 1
        return True

    def complete(self, fragment: MessageFragment) -> Iterator[tuple[int, bytes]]:
        """The messages that one has completed, with their protocols."""
        if fragment.ordered:
            yield from self._in_order()
            return
        message = unwrap(fragment.message, self._last)
        partial = self._unordered.get(message)
        if partial is not None and partial.is_complete:
            self._last = max(self._last, message)
            yield self._finish(self._unordered.pop(message))

    def _in_order(self) -> Iterator[tuple[int, bytes]]:
        while (partial := self._ordered.get(self._next)) is not None and partial.is_complete:
            del self._ordered[self._next]
            self._next += 1
            yield self._finish(partial)

    def _finish(self, partial: _IncompleteMessage) -> tuple[int, bytes]:
        self._count -= len(partial.fragments)
        return partial.protocol, partial.joined()

    def pass_over(self, message: int, *, ordered: bool) -> tuple[int, list[tuple[int, bytes]]]:
        """Wait no longer for any message up to one (section 2.3.1).

        Returns:
            the bytes that were kept of those, and what is complete now.
        """
        if not ordered:
            last = unwrap(message, self._last)
            self._last = max(self._last, last)
            self._passed = max(self._passed, last)
            dropped, _ = self._end(self._unordered, last)
            return dropped, []
        last = unwrap(message, self._next)
        if last < self._next:
            return 0, []
        self._next = last + 1
        dropped, complete = self._end(self._ordered, last)
        return dropped, [*complete, *self._in_order()]

    def _end(
        self, partials: dict[int, _IncompleteMessage], last: int
    ) -> tuple[int, list[tuple[int, bytes]]]:
        """The bytes of incomplete messages up to one, and the complete ones."""
        dropped = 0
        complete = []
        for message in sorted([one for one in partials if one <= last]):
            partial = partials.pop(message)
            if partial.is_complete:
                complete.append(self._finish(partial))
            else:
                self._count -= len(partial.fragments)
                dropped += partial.size
        return dropped, complete
