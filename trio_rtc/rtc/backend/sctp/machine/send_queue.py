"""Send queue: round robin between streams, so that nothing waits behind bulk."""

from __future__ import annotations

from collections import OrderedDict, deque

from .outbound import UserMessage


class SendQueue:
    """The messages of all streams that have no TSNs yet.

    All fragments of a message have consecutive TSNs (RFC 9260, section 6.9), so that a message
    that has begun goes on.

    Args:
        sequences: of each stream the number of its next ordered message; 0 of those that are not
            in it, as where a stream was reset.

    Attributes:
        size: bytes that wait.
    """

    def __init__(self, sequences: dict[int, int]) -> None:
        self._streams: OrderedDict[int, deque[UserMessage]] = OrderedDict()
        self._sequences = sequences
        self._begun: UserMessage | None = None
        self.size = 0

    def __bool__(self) -> bool:
        return self._begun is not None or bool(self._streams)

    def put(self, message: UserMessage) -> None:
        self.size += len(message.data)
        waiting = self._streams.get(message.stream)
        if waiting is None:
            self._streams[message.stream] = deque((message,))
        else:
            waiting.append(message)

    def holds(self, stream: int) -> bool:
        """Whether anything of a stream waits."""
        begun = self._begun
        return stream in self._streams or (begun is not None and begun.stream == stream)

    def peek(self) -> UserMessage:
        """The message whose turn it is. It may have begun."""
        if self._begun is not None:
            return self._begun
        return next(iter(self._streams.values()))[0]

    def begin(self, message: UserMessage) -> None:
        """The first of it is about to be sent: give it its number, and the turn to another."""
        stream = message.stream
        if message.ordered:
            message.sequence = self._sequences.get(stream, 0)
            self._sequences[stream] = (message.sequence + 1) & 0xFFFF
        self._take(message)
        self._begun = message

    def drop(self, message: UserMessage) -> None:
        """Give up a message of which nothing was sent, when it is its turn."""
        self._take(message)
        self.size -= len(message.data)

    def taken(self, length: int) -> None:
        """So many bytes of the message that has begun have become a chunk."""
        self.size -= length
        assert self._begun is not None
        if self._begun.position >= len(self._begun.data):
            self._begun = None

    def end(self) -> None:
        """Send no more of the message that has begun."""
        if self._begun is not None:
            self.size -= len(self._begun.data) - self._begun.position
            self._begun = None

    def clear(self) -> None:
        self._streams.clear()
        self._begun = None
        self.size = 0

    def _take(self, message: UserMessage) -> None:
        waiting = self._streams[message.stream]
        waiting.popleft()
        if waiting:
            self._streams.move_to_end(message.stream)
        else:
            del self._streams[message.stream]
