"""What comes from the other side, apart from the rest by what it is."""

from __future__ import annotations

from collections.abc import Callable
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

    Attributes:
        rest: those of keys that nobody takes. The others are not here from the first time on that
            somebody takes them; those that wait here already go to their queue then.
    """

    def __init__(self, key: Callable[[T], str], limit: int):
        self._key = key
        self._limit = limit
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
        queue = self._queues.get(self._key(arrived))
        (queue[0] if queue else self._give).send_nowait(arrived)

    async def take(self, key: str) -> T:
        """The next one of this key.

        Raises:
            trio.EndOfChannel: the call is over, and there will be none.
        """
        if key not in self._queues:
            self._queues[key] = queue = trio.open_memory_channel[T](self._limit)
            if self._closed:
                queue[0].close()
            else:
                self._move()
        return await self._queues[key][1].receive()

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
