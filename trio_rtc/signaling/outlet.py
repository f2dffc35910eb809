"""A bounded queue of events for one consumer, which ends with an error of its own."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import trio

from ..errors import SignalingLost
from .events import SignalingEvent

logger = logging.getLogger("trio_rtc.signaling")


class Outlet:
    """Events on their way to one consumer.

    Overflow policy: the oldest event is dropped and counted. Whoever does not look for so
    long is better served by what happened last, and ``Signaling.peers`` is always complete.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._events: deque[SignalingEvent] = deque()
        self._consumers = trio.lowlevel.ParkingLot()
        self._lost: SignalingLost | None = None
        self.dropped = 0

    def put(self, event: SignalingEvent) -> None:
        self._events.append(event)
        if len(self._events) > self._limit:
            dropped = self._events.popleft()
            if not self.dropped:
                logger.warning("nobody takes the events of the session: %r goes", dropped)
            self.dropped += 1
        self._consumers.unpark()

    def put_back(self, event: SignalingEvent) -> None:
        self._events.appendleft(event)
        self._consumers.unpark()

    def take(self, wanted: Callable[[SignalingEvent], bool]) -> list[SignalingEvent]:
        """Take out what is wanted, from oldest to newest; the rest keeps its order."""
        taken = [event for event in self._events if wanted(event)]
        self._events = deque(event for event in self._events if not wanted(event))
        return taken

    def lose(self, error: SignalingLost) -> None:
        """End the queue: what is in it is still delivered, then the error."""
        self._lost = error
        self._consumers.unpark_all()

    async def get(self) -> SignalingEvent:
        await trio.lowlevel.checkpoint()
        while not self._events:
            if self._lost is not None:
                raise self._lost
            await self._consumers.park()
        return self._events.popleft()
