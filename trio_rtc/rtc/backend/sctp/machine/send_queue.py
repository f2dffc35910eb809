"""Send queue: round robin between streams, so that nothing waits behind bulk."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from .congestion import LOCAL_SECONDS
from .outbound import UserMessage
from .rtt import RoundTrips

MOST_BEGUN: Final = 512 * 1024
"""Bytes of the messages that may be between each other: the other side keeps all of them, and its
window is 1 MiB, or more. One message may be larger."""

MOST_UNSENT: Final = 1024 * 1024
"""Bytes that may wait while nothing is known of the path, or it has no delay to speak of."""

MIN_UNSENT: Final = 256 * 1024
"""Bytes that may wait on any path: whoever hands over more is not woken for each packet."""

WHOLE: Final = 1160
"""Bytes of a message that is no fragment in any packet: nobody keeps that."""


class SendQueue:
    """The messages of all streams that have no TSNs yet.

    All fragments of a message have consecutive TSNs (RFC 9260, section 6.9), so that a message
    that has begun goes on; not so where both sides can interleave messages of several streams
    (RFC 8260): there it is the turn of another stream after each chunk.

    Args:
        sequences: of each stream the number of its next ordered message; 0 of those that are not
            in it, as where a stream was reset.

    Attributes:
        size: bytes that wait.
        interleaves: whether messages are interleaved.
    """

    def __init__(self, sequences: dict[int, int]) -> None:
        self.size = 0
        self.interleaves = False
        self._streams: OrderedDict[int, deque[UserMessage]] = OrderedDict()
        #: Streams whose next message waits until less has begun.
        self._held: dict[int, deque[UserMessage]] = {}
        self._begun_size = 0
        self._sequences = sequences
        #: The same for unordered messages, which have numbers only if they are interleaved.
        self._unordered: dict[int, int] = {}
        self._goes_on: UserMessage | None = None

    def __bool__(self) -> bool:
        return bool(self._streams)

    def put(self, message: UserMessage) -> None:
        self.size += len(message.data)
        stream = message.stream
        waiting = self._streams.get(stream) or self._held.get(stream)
        if waiting is None:
            self._streams[stream] = deque((message,))
        else:
            waiting.append(message)

    def holds(self, stream: int) -> bool:
        """Whether anything of a stream waits."""
        return stream in self._streams or stream in self._held

    def peek(self) -> UserMessage:
        """The message whose turn it is. It may have begun."""
        if self._goes_on is not None:
            return self._goes_on
        while True:
            stream, waiting = next(iter(self._streams.items()))
            message = waiting[0]
            if not self._begun_size or self._may_begin(message):
                return message
            self._held[stream] = self._streams.pop(stream)

    def _may_begin(self, message: UserMessage) -> bool:
        size = len(message.data)
        return message.position > 0 or size <= WHOLE or self._begun_size + size <= MOST_BEGUN

    def begin(self, message: UserMessage) -> None:
        """The first of it is about to be sent: give it its number."""
        stream = message.stream
        if not self.interleaves:
            if message.ordered:
                message.sequence = self._sequences.get(stream, 0)
                self._sequences[stream] = (message.sequence + 1) & 0xFFFF
            return
        if stream not in self._sequences:
            # It is new, or was reset, which is for both kinds (RFC 8260, section 2.1).
            self._sequences[stream] = self._unordered[stream] = 0
        numbers = self._sequences if message.ordered else self._unordered
        message.sequence = numbers[stream]
        numbers[stream] = (message.sequence + 1) & 0xFFFFFFFF

    def drop(self, message: UserMessage) -> None:
        """Give up a message of which nothing was sent, when it is its turn."""
        self.size -= len(message.data)
        self._leave(message)

    def taken(self, message: UserMessage, length: int) -> None:
        """So many bytes of the message whose turn it was have become a chunk."""
        self.size -= length
        position, size = message.position, len(message.data)
        is_begun = length < position
        if position >= size:
            self._finish(message, is_begun=is_begun)
        elif not self.interleaves:
            self._goes_on = message
        else:
            self._streams.move_to_end(message.stream)
            if not is_begun:
                self._begun_size += size

    def end(self, message: UserMessage) -> None:
        """Send no more of a message that has begun."""
        self.size -= len(message.data) - message.position
        self._finish(message, is_begun=True)

    def clear(self) -> None:
        self._streams.clear()
        self._held.clear()
        self._goes_on = None
        self._begun_size = self.size = 0

    def _finish(self, message: UserMessage, *, is_begun: bool) -> None:
        self._goes_on = None
        self._leave(message)
        if is_begun and self.interleaves:
            self._begun_size -= len(message.data)
            if self._held:
                self._streams.update(self._held)
                self._held.clear()

    def _leave(self, message: UserMessage) -> None:
        """It is the first of its stream, which gives the turn to another."""
        stream = message.stream
        waiting = self._streams[stream]
        waiting.popleft()
        if waiting:
            self._streams.move_to_end(stream)
        else:
            del self._streams[stream]


def most_unsent(trips: RoundTrips, window: int) -> int:
    """Bytes that are to wait at most: one bandwidth-delay product, half the window."""
    if trips.smoothed is None or trips.shortest < LOCAL_SECONDS:
        return MOST_UNSENT
    return max(MIN_UNSENT, window // 2)
