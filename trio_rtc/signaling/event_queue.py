"""A bounded queue of events for one consumer, which loses no message without a word.

A message counts as received when it has a *place* here: then the server may forget it. What comes
while there is none waits in a `Delivery`, in order, and is the business of whoever brought it: the
native protocol does not acknowledge it, the classic one does not ask for more. Presence always has
a place; of too much, what tells nothing new is left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container
from typing import TypeAlias

import trio

from ..errors import SignalingLost
from .events import (
    EventsDropped,
    MessageFailed,
    MessageReceived,
    PeerJoined,
    PeerLeft,
    SignalingEvent,
)

PLACES = 1024
PLACE_BYTES = 4 * 1024 * 1024
"""How many messages, and how much of them, have a place."""

FAILURES = 16 * 1024
"""How many `MessageFailed` are kept; what comes above that is only counted."""

PRESENCE = 1024
"""With how many of them waiting it is looked whether some tell nothing new."""

Wanted: TypeAlias = Callable[[SignalingEvent], bool]


class Delivery:
    """A message that has no place yet.

    Attributes:
        event: the message.
        queue: where it waits for its place.
        on_place: called when it has one.
    """

    __slots__ = ("event", "on_place", "queue")

    def __init__(self, event: MessageReceived, queue: EventQueue):
        self.event = event
        self.queue = queue
        self.on_place: Callable[[], None] = _nothing

    def refuse(self) -> None:
        """Take it away: its consumer learns that something is missing, but not what."""
        self.queue._refuse(self)

    async def wait_for_place(self, seconds: float) -> None:
        """Wait until it has its place; refuse it if its consumer takes nothing for so long."""
        placed = trio.Event()
        self.on_place = placed.set
        while not placed.is_set():
            deadline = self.queue._moved + seconds
            if self.queue._stuck or trio.current_time() >= deadline:
                self.queue._stuck = True
                self.refuse()
                break
            with trio.move_on_at(deadline):
                await placed.wait()


class _Gap:
    """Where something is missing in a queue."""

    def __init__(self) -> None:
        self.count = 0


class EventQueue:
    """Events on their way to one consumer.

    Args:
        present: the ids of the peers who are there now.
    """

    def __init__(self, present: Container[int]) -> None:
        self._present = present
        self._placed: deque[SignalingEvent | _Gap] = deque()
        # Begins with a delivery: whatever comes later must not overtake it.
        self._waiting: deque[SignalingEvent | Delivery] = deque()
        self._gap: _Gap | None = None
        self._messages = self._bytes = self._failures = self._presence = 0
        self._condense_over = PRESENCE
        # Peers that the consumer knows of, or will; and, of those, who has left since.
        self._known: set[int] = set()
        self._known_left: set[int] = set()
        self._consumers = trio.lowlevel.ParkingLot()
        # Since when nothing was taken though something waits; and whether that was too long.
        self._moved = 0.0
        self._stuck = False
        self._lost: SignalingLost | None = None

    def put(self, event: SignalingEvent) -> Delivery | None:
        """Add an event; a message that has no place gives a `Delivery`."""
        if isinstance(event, MessageReceived):
            return self._put_message(event)
        if isinstance(event, MessageFailed):
            if self._failures >= FAILURES:
                self.miss(1)
                return None
            self._failures += 1
        elif not isinstance(event, EventsDropped):
            self._put_presence(event)
        self._append(event)
        if self._presence > self._condense_over:
            self._condense()
        return None

    def _put_message(self, event: MessageReceived) -> Delivery | None:
        if event.peer.id in self._present:
            self._known.add(event.peer.id)
        if self._waiting or not self._has_place(event):
            delivery = Delivery(event, self)
            if not self._waiting:
                self._moved = trio.current_time()
            self._waiting.append(delivery)
            return delivery
        self._place(event)
        return None

    def _put_presence(self, event: PeerJoined | PeerLeft) -> None:
        self._presence += 1
        if isinstance(event, PeerLeft) and event.peer.id in self._known:
            self._known.discard(event.peer.id)
            self._known_left.add(event.peer.id)

    def move(self, item: SignalingEvent | Delivery) -> None:
        """Add what another queue has had, and count it if it was received and has no place."""
        if not isinstance(item, Delivery):
            if isinstance(item, MessageReceived) and not self._has_place(item):
                self.miss(1)
            elif isinstance(item, MessageReceived):
                self._place(item)
            else:
                self.put(item)
        elif self._waiting or not self._has_place(item.event):
            item.queue = self
            self._waiting.append(item)
        else:
            self._place(item.event)
            item.on_place()

    def _has_place(self, event: MessageReceived) -> bool:
        # One that is larger than all places together has to pass, too.
        return not self._messages or (
            self._messages < PLACES and self._bytes + len(event.data) <= PLACE_BYTES
        )

    def _place(self, event: MessageReceived) -> None:
        self._messages += 1
        self._bytes += len(event.data)
        self._placed.append(event)
        self._consumers.unpark()

    def _append(self, event: SignalingEvent) -> None:
        if self._waiting:
            self._waiting.append(event)
        else:
            self._placed.append(event)
            self._consumers.unpark()

    def _promote(self) -> None:
        """Give a place to what may have one now."""
        while self._waiting:
            item = self._waiting[0]
            if not isinstance(item, Delivery):
                self._placed.append(self._waiting.popleft())  # type: ignore[arg-type]
                self._consumers.unpark()
            elif self._has_place(item.event):
                self._waiting.popleft()
                self._place(item.event)
                item.on_place()
            else:
                break

    def _refuse(self, delivery: Delivery) -> None:
        self._waiting.remove(delivery)
        self.miss(1)
        self._promote()

    @property
    def missed(self) -> int:
        """How many events are missing, of which the consumer has not been told."""
        return 0 if self._gap is None else self._gap.count

    def miss(self, count: int) -> None:
        """Have the consumer told that so many events are missing."""
        if count and self._gap is None:
            self._gap = _Gap()
            self._placed.append(self._gap)
            self._consumers.unpark()
        if self._gap is not None:
            self._gap.count += count

    def _condense(self) -> None:
        """Leave out who has come and gone without the consumer having known."""

        def is_news(item: SignalingEvent | Delivery | _Gap) -> bool:
            return not isinstance(item, PeerJoined | PeerLeft) or (
                item.peer.id in self._present or item.peer.id in self._known_left
            )

        self._placed = deque(item for item in self._placed if is_news(item))
        self._waiting = deque(item for item in self._waiting if is_news(item))
        self._presence = sum(
            isinstance(item, PeerJoined | PeerLeft) for item in (*self._placed, *self._waiting)
        )
        self._condense_over = max(PRESENCE, 2 * self._presence)

    def put_back(self, event: SignalingEvent) -> None:
        """Undo a `get`."""
        self._count(event, 1)
        self._placed.appendleft(event)
        self._consumers.unpark()

    def take(self, wanted: Wanted) -> list[SignalingEvent | Delivery]:
        """Take out what is wanted, from oldest to newest; the rest keeps its order."""
        taken: list[SignalingEvent | Delivery] = []
        placed, self._placed = self._placed, deque()
        for item in placed:
            if isinstance(item, _Gap) or not wanted(item):
                self._placed.append(item)
            else:
                self._count(item, -1)
                taken.append(item)
        waiting, self._waiting = self._waiting, deque()
        for entry in waiting:
            if not wanted(entry.event if isinstance(entry, Delivery) else entry):
                self._waiting.append(entry)
                continue
            if not isinstance(entry, Delivery):
                self._count(entry, -1)
            taken.append(entry)
        self._promote()
        return taken

    def take_placed(self) -> list[SignalingEvent]:
        """Take out all that can be had without waiting."""
        taken = []
        while self._placed:
            taken.append(self._pop())
        self._promote()
        return taken

    def lose(self, error: SignalingLost) -> None:
        """End the queue: what is in it is still delivered, then the error."""
        self._lost = error
        self._consumers.unpark_all()

    async def get(self) -> SignalingEvent:
        """Take the oldest event, as soon as there is one."""
        await trio.lowlevel.checkpoint()
        while not self._placed:
            if self._lost is not None:
                raise self._lost
            await self._consumers.park()
        event = self._pop()
        self._promote()
        return event

    def _pop(self) -> SignalingEvent:
        item = self._placed.popleft()
        self._moved, self._stuck = trio.current_time(), False
        if isinstance(item, _Gap):
            self._gap = None
            return EventsDropped(item.count)
        self._count(item, -1)
        if isinstance(item, PeerJoined):
            known = self._known if item.peer.id in self._present else self._known_left
            known.add(item.peer.id)
        elif isinstance(item, PeerLeft):
            self._known_left.discard(item.peer.id)
        return item

    def _count(self, event: SignalingEvent, by: int) -> None:
        match event:
            case MessageReceived():
                self._messages += by
                self._bytes += by * len(event.data)
            case MessageFailed():
                self._failures += by
            case PeerJoined() | PeerLeft():
                self._presence += by


def _nothing() -> None:
    pass
