"""What comes from the other side, apart from the rest by what it is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, TypeVar, cast

import trio

from ..rtc import AudioTrack, Kind, MediaTrack, VideoTrack

UNACCEPTED = 1024
"""Channels, and tracks, of the other side that may wait to be taken: all that libwebrtc has."""

T = TypeVar("T")
K = TypeVar("K", VideoTrack, AudioTrack)


class Takers(Generic[T]):
    """Queues of what has arrived: one for those of each key that somebody takes, one for the rest.

    Args:
        key: what an arrival is: the protocol of a channel, the kind of a track.
        limit: how many may wait in one queue.
        reserved: keys whose arrivals are never among the rest.

    Attributes:
        rest: those of keys that nobody takes. The others are not here from the first time on that
            somebody takes them; those that wait here already go to their queue then. So a task
            that takes the rest may have one before another task has begun to take that key, unless
            it is reserved.
    """

    def __init__(
        self, key: Callable[[T], str], limit: int, reserved: Collection[str] = frozenset()
    ):
        self._key = key
        self._limit = limit
        self._reserved = reserved
        self._taken: set[str] = set()
        self._give, self.rest = trio.open_memory_channel[T](limit)
        self._queues: dict[str, tuple[trio.MemorySendChannel[T], trio.MemoryReceiveChannel[T]]] = {}
        self._closed = False

    def give(self, arrived: T) -> None:
        """Have it wait for who takes it.

        Raises:
            trio.WouldBlock: there is no room.
            trio.BrokenResourceError: nobody takes these any more.
            trio.ClosedResourceError: the call is over.
        """
        key = self._key(arrived)
        if key in self._reserved:
            self._queue(key)
        queue = self._queues.get(key)
        (queue[0] if queue else self._give).send_nowait(arrived)

    def is_taken(self, arrived: T) -> bool:
        """Whether somebody has ever taken those of this key; the rest are for anybody."""
        key = self._key(arrived)
        return key in self._taken or key not in self._queues

    def give_up(self, arrived: T) -> list[T]:
        """Drop all that wait with this one, if still nobody has ever taken any; which they were."""
        if self.is_taken(arrived):
            return []
        queue = self._queues[self._key(arrived)][1]
        return [queue.receive_nowait() for _ in range(queue.statistics().current_buffer_used)]

    async def take(self, key: str) -> T:
        """The next one of this key.

        Raises:
            trio.EndOfChannel: the call is over, and there will be none.
        """
        self._taken.add(key)
        return await self._queue(key)[1].receive()

    def _queue(self, key: str) -> tuple[trio.MemorySendChannel[T], trio.MemoryReceiveChannel[T]]:
        if key not in self._queues:
            self._queues[key] = queue = trio.open_memory_channel[T](self._limit)
            if self._closed:
                queue[0].close()
            elif key not in self._reserved:
                self._move()
        return self._queues[key]

    def _move(self) -> None:
        """Have those that wait among the rest go to where they belong now."""
        for _ in range(self.rest.statistics().current_buffer_used):
            self.give(self.rest.receive_nowait())

    def close(self) -> None:
        """No more will come; those that wait may still be taken."""
        self._closed = True
        self._give.close()
        for give, _ in self._queues.values():
            give.close()


class TracksOfKind(Generic[K]):
    """The tracks of one kind that the other side sends, as an async iterator.

    It ends with the call. Several tasks may iterate: each track goes to one of them.
    """

    def __init__(self, takers: Takers[MediaTrack], kind: Kind):
        self._takers = takers
        self._kind = kind

    def __aiter__(self) -> TracksOfKind[K]:
        return self

    async def __anext__(self) -> K:
        try:
            return cast(K, await self._takers.take(self._kind))
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
