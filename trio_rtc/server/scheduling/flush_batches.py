"""Flush batches: what belongs together is sent at once, what comes together in turn."""

from __future__ import annotations

from typing import Protocol


class Flushable(Protocol):
    """A connection that keeps what it is to send until it is flushed."""

    def flush(self) -> None: ...


class FlushBatch:
    """Has each connection flushed once for a batch of messages, and at once outside of one.

    A batch is a block, in which other blocks may be. A first message wakes up whoever waits for
    it, which costs the sender more than the message itself; those that follow at once do not.
    """

    def __init__(self) -> None:
        self._marked: dict[Flushable, None] = {}
        self._depth = 0

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth and self._marked:
            marked, self._marked = self._marked, {}
            for connection in marked:
                connection.flush()

    @property
    def is_open(self) -> bool:
        """Whether there is a block in which this is called."""
        return self._depth > 0

    def mark(self, connection: Flushable) -> None:
        """Something is to be flushed."""
        if self._depth:
            self._marked[connection] = None
        else:
            connection.flush()
