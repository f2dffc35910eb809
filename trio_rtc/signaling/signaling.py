"""A client's side of a signaling session, whatever protocol carries it."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import trio

from ..errors import SignalingError, SignalingLost, UnknownPeer
from ..text import one_line
from ..wire.names import clean_text
from ..wire.native import IceServerEntry
from ..world import world
from .event_queue import Delivery, EventQueue
from .events import (
    MessageFailed,
    MessageReceived,
    Peer,
    PeerJoined,
    PeerLeft,
    SessionState,
    SignalingEvent,
    State,
)

NUMBERS = 4096
"""Of how many messages it is remembered that their failure goes to a subscription."""


class Subscription:
    """The events that `Signaling.subscribe` has set aside, as an async iterator.

    Raises `SignalingLost` at the end of the session.
    """

    def __init__(self, queue: EventQueue):
        self._queue = queue

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> SignalingEvent:
        return await self._queue.get()

    def waiting(self) -> list[SignalingEvent]:
        """Take what is there already."""
        return self._queue.take_placed()

    def put_back(self, event: SignalingEvent) -> None:
        """Undo the reading of the last event, for the one who gets them next."""
        self._queue.put_back(event)


class _Subscriber:
    """Who gets which messages, until its subscription ends."""

    def __init__(self, queue: EventQueue, peer: Peer | None, wanted: Callable[[bytes], bool]):
        self.queue = queue
        self.wanted = wanted
        self._peer = peer
        self._numbers: deque[int] = deque(maxlen=NUMBERS)

    def is_for(self, peer_id: int) -> bool:
        """Whether it gets messages of this peer."""
        return self._peer is None or self._peer.id == peer_id

    def sent(self, data: bytes, number: int) -> None:
        """Something was sent to a peer of whom it gets messages."""
        if self.wanted(data):
            self._numbers.append(number)

    def wants(self, event: SignalingEvent) -> bool:
        """Whether an event goes to it, and to nobody else."""
        if isinstance(event, MessageReceived):
            return self.is_for(event.peer.id) and self.wanted(event.data)
        if isinstance(event, MessageFailed):
            known = event.number is None or event.number in self._numbers
            return self.is_for(event.peer.id) and known
        return False


class Signaling:
    """A session with a signaling server, opened by `open_signaling`.

    As an async iterator it gives the events that no subscription has taken. Up to 1024 messages,
    or 4 MiB of them, wait for one who does not look. What comes above that is not acknowledged to
    the server, and refused to its sender when too much of it has come. At the end of the session
    the iterator, `send` and `wait_for_peer` raise `SignalingLost`.

    Attributes:
        peer_id: our own id on the server.
        name: our own name, as the server has it.
        room: the room that we are in; empty for the default one.
        server: the URL of the server that has last let us in; empty if there is none.
        ice_servers: STUN and TURN servers that the server tells us to use, as W3C
            RTCIceServer; none with the classic protocol. They change before they expire.
    """

    ice_servers: Sequence[IceServerEntry] = ()
    server: str = ""

    def __init__(
        self,
        peer_id: int,
        name: str,
        send: Callable[[int, bytes], Awaitable[int]],
        room: str = "",
    ) -> None:
        self.peer_id = peer_id
        self.name = name
        self.room = room
        self._transport_send = send
        self._peers: dict[int, Peer] = {}
        self._peers_changed = trio.Event()
        self._lost: SignalingLost | None = None
        self._is_over = False
        self._state = SessionState()
        self._queue = EventQueue(self._peers)
        self._by_peer: dict[int, _Subscriber] = {}
        self._rest: _Subscriber | None = None

    @property
    def state(self) -> State:
        """``connected``; ``reconnecting``, as the last connection with the server is gone, and
        another one is tried; or ``lost``.
        """
        return self._state.now

    async def wait_for_state(self, *states: State) -> State:
        """Wait until the state is one of ``states``, and give it."""
        return await self._state.wait_for(states)

    @property
    def peers(self) -> Mapping[int, Peer]:
        """The others who are signed in now, by id, in the order in which they came."""
        return MappingProxyType(dict(self._peers))

    def find_peer(self, peer: Peer | int | str) -> Peer:
        """Who is meant by an id or a name. Of several with one name: who came last.

        Digits are an id if there is such a peer, and a name otherwise.

        Raises:
            UnknownPeer: nobody is; the message says who is there.
        """
        found = self._find(peer)
        if found is None:
            names = one_line(", ".join(map(str, self._peers.values())), 400) or "nobody else"
            raise UnknownPeer(f"no peer {str(peer)!r} is signed in; there is: {names}")
        return found

    def _find(self, peer: Peer | int | str) -> Peer | None:
        if isinstance(peer, Peer):
            peer = peer.id
        if isinstance(peer, int):
            return self._peers.get(peer)
        # More digits no id has, nor may there be many more in a number of Python.
        if peer.isdecimal() and len(peer) <= 18 and (by_id := self._peers.get(int(peer))):
            return by_id
        # Servers may write a name otherwise than whoever looks for it.
        names = (peer, clean_text(peer))
        return next((p for p in reversed(self._peers.values()) if p.name in names), None)

    async def wait_for_peer(self, peer: int | str) -> Peer:
        """Wait until a peer of this id or name is signed in.

        Raises:
            SignalingLost: the session has ended.
        """
        while self._lost is None:
            if (found := self._find(peer)) is not None:
                await trio.lowlevel.checkpoint()
                return found
            await self._peers_changed.wait()
        raise self._lost

    async def send(self, peer: Peer | int | str, message: bytes | str) -> int:
        """Send a message to a peer. Messages to one peer arrive in the order of the calls.

        Returns the message's number, by which a `MessageFailed` names it. It rises from message
        to message.

        Raises:
            UnknownPeer: there is no such peer, or the server says that it has left.
            MessageTooLarge: the message is over the server's limit.
            SignalingError: the server did not take it.
            SignalingLost: the session has ended.
        """
        if self._lost is not None:
            raise self._lost
        data = message.encode() if isinstance(message, str) else message
        # The server knows best who is there: an id is not looked up here first.
        to = peer.id if isinstance(peer, Peer) else peer
        if isinstance(to, str):
            to = self.find_peer(to).id
        world().note("signaling", self.name, f"to {self._known(to).name}", data)
        number = await self._transport_send(to, data)
        if (subscriber := self._subscriber(to)) is not None:
            subscriber.sent(data, number)
        return number

    def __aiter__(self) -> Signaling:
        return self

    async def __anext__(self) -> SignalingEvent:
        if self._is_over and self._lost is not None:
            raise self._lost
        return await self._queue.get()

    @contextmanager
    def subscribe(
        self, peer: Peer | None = None, *, wanted: Callable[[bytes], bool] = lambda _: True
    ) -> Iterator[Subscription]:
        """Set the messages of one peer aside, those that wait included, and see it leave.

        Without ``peer``: the messages of all peers that no subscription names, and all
        `PeerLeft`. Only those messages for which ``wanted`` is true; the others stay with whoever
        iterates over the session. A `MessageFailed` comes to where an answer would have come.

        Raises:
            SignalingError: ``busy``: somebody has this subscription already.
        """
        taken = self._rest is not None if peer is None else peer.id in self._by_peer
        if taken:
            who = "the messages of all peers" if peer is None else f"the messages of {peer}"
            raise SignalingError(f"{who} go to somebody else", code="busy", fault="local")
        queue = EventQueue(self._peers)
        subscriber = _Subscriber(queue, peer, wanted)
        for source in self._queues():
            for item in source.take(subscriber.wants):
                queue.move(item)
        if self._lost is not None:
            queue.lose(self._lost)
        if peer is None:
            self._rest = subscriber
        else:
            self._by_peer[peer.id] = subscriber
            if peer.id not in self._peers:
                queue.put(PeerLeft(peer))
        try:
            yield Subscription(queue)
        finally:
            if peer is None:
                self._rest = None
            else:
                del self._by_peer[peer.id]
            self._route_back(queue)

    def _route_back(self, queue: EventQueue) -> None:
        """What nobody has taken there goes to the others."""
        for item in queue.take(lambda event: isinstance(event, MessageReceived | MessageFailed)):
            event = item.event if isinstance(item, Delivery) else item
            assert isinstance(event, MessageReceived | MessageFailed)
            self._queue_for(event).move(item)
        self._queue.miss(queue.missed)

    def _queues(self) -> list[EventQueue]:
        """Those that are not for one peer only."""
        return [self._queue] if self._rest is None else [self._queue, self._rest.queue]

    def _subscriber(self, peer_id: int) -> _Subscriber | None:
        return self._by_peer.get(peer_id, self._rest)

    def _queue_for(self, event: MessageReceived | MessageFailed) -> EventQueue:
        subscriber = self._subscriber(event.peer.id)
        wanted = subscriber is not None and subscriber.wants(event)
        return subscriber.queue if subscriber is not None and wanted else self._queue

    # What follows is called by the protocol that carries the session.

    def connected(self) -> None:
        """There is a connection with the server again."""
        self._state.set("connected")

    def reconnecting(self) -> None:
        """There is none for now."""
        self._state.set("reconnecting")

    def joined(self, peer: Peer) -> None:
        """Somebody is there."""
        if peer.id != self.peer_id and peer.id not in self._peers:
            self._peers[peer.id] = peer
            self._queue.put(PeerJoined(peer))
            self._wake_waiters()

    def left(self, peer_id: int) -> None:
        """Somebody is not there any more."""
        peer = self._peers.pop(peer_id, None)
        if peer is not None:
            queues = self._queues()
            if (subscriber := self._by_peer.get(peer_id)) is not None:
                queues.append(subscriber.queue)
            for queue in queues:
                queue.put(PeerLeft(peer))

    def received(self, peer_id: int, data: bytes) -> Delivery | None:
        """A message has come; unless it gives a `Delivery`, it counts as received."""
        peer = self._known(peer_id)
        world().note("signaling", self.name, f"from {peer.name}", data)
        event = MessageReceived(peer, data)
        return self._queue_for(event).put(event)

    def failed(self, peer_id: int, error: SignalingError, number: int | None = None) -> None:
        """A message of ours has not reached its receiver."""
        event = MessageFailed(self._known(peer_id), error, number)
        self._queue_for(event).put(event)

    def _known(self, peer_id: int) -> Peer:
        return self._peers.get(peer_id) or Peer(peer_id, f"peer_{peer_id}")

    def lost(self, error: SignalingLost) -> None:
        """The session has ended. What ends it first is why."""
        if self._lost is not None:
            return
        self._lost = error
        self._state.set("lost")
        for queue in (*self._queues(), *(each.queue for each in self._by_peer.values())):
            queue.lose(error)
        self._wake_waiters()

    def block_has_ended(self) -> None:
        """It can be used no more: what is done with it from now on fails.

        Who waits for its events already goes on waiting, as for peers who say nothing.
        """
        self._is_over = True
        if self._lost is None:
            self._lost = SignalingLost(
                "the block of open_signaling has ended, and the session with it",
                code="signed_out",
                fault="local",
            )
            self._state.set("lost")
            self._wake_waiters()

    def _wake_waiters(self) -> None:
        self._peers_changed.set()
        self._peers_changed = trio.Event()
