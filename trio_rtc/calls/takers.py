"""Channels of a protocol that this package speaks itself, kept apart from those of the program."""

from __future__ import annotations

import trio

from ..rtc import DataChannel

UNACCEPTED = 1024
"""Channels, and tracks, of the other side that may wait to be taken: all that libwebrtc has."""


class Takers:
    """Who takes the channels of which protocol.

    Args:
        give: the queue of all others; those that came before anybody took them wait there.
        take: its other end.
    """

    def __init__(
        self,
        give: trio.MemorySendChannel[DataChannel],
        take: trio.MemoryReceiveChannel[DataChannel],
    ):
        self._give, self._take = give, take
        self._queues: dict[
            str, tuple[trio.MemorySendChannel[DataChannel], trio.MemoryReceiveChannel[DataChannel]]
        ] = {}
        self._closed = False

    def queue_for(self, protocol: str) -> trio.MemorySendChannel[DataChannel] | None:
        """Where a channel of this protocol goes; None if that is where all go."""
        queue = self._queues.get(protocol)
        return queue[0] if queue else None

    async def take(self, protocol: str) -> DataChannel:
        """The next channel of this protocol.

        Raises:
            trio.EndOfChannel: the call is over, and there will be none.
        """
        if protocol not in self._queues:
            queue = trio.open_memory_channel[DataChannel](UNACCEPTED)
            self._queues[protocol] = queue
            if self._closed:
                queue[0].close()
            else:
                self._move(protocol, queue[0])
        return await self._queues[protocol][1].receive()

    def _move(self, protocol: str, queue: trio.MemorySendChannel[DataChannel]) -> None:
        """Have those that wait among the others already."""
        for _ in range(self._take.statistics().current_buffer_used):
            channel = self._take.receive_nowait()
            (queue if channel.protocol == protocol else self._give).send_nowait(channel)

    def close(self) -> None:
        """No more will come; those that wait may still be taken."""
        self._closed = True
        for give, _ in self._queues.values():
            give.close()
