"""A client's side of a signaling session, whatever protocol carries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import trio

from ..errors import SignalingError, SignalingLost, UnknownPeer
from ..protocol import IceServerEntry
from .events import MessageFailed, MessageReceived, Peer, PeerJoined, PeerLeft, SignalingEvent
from .outlet import Outlet

EVENT_LIMIT = 1024
"""Events kept for a consumer that does not look; then the oldest goes."""


class Subscription:
    """The events that `Signaling.subscribe` has set aside, as an async iterator.

    Raises `SignalingLost` at the end of the session.
    """

    def __init__(self, outlet: Outlet):
        self._outlet = outlet

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> SignalingEvent:
        return await self._outlet.get()

    def waiting(self) -> list[SignalingEvent]:
        """Take what is there already."""
        return self._outlet.take(lambda _: True)

    def put_back(self, event: SignalingEvent) -> None:
        """Undo the reading of the last event, for the one who gets them next."""
        self._outlet.put_back(event)


class Signaling:
    """A session with a signaling server, opened by `open_signaling`.

    As an async iterator it gives the events that no subscription has taken. One who comes late
    finds the newest 1024. At the end of the session the iterator, `send` and `wait_for_peer`
    raise `SignalingLost`.

    Attributes:
        peer_id: our own id on the server.
        name: our own name, as the server has it.
        room: the room that we are in; empty for the default one.
        ice_servers: STUN and TURN servers that the server tells us to use, as W3C
            RTCIceServer; none with the classic protocol. They change before they expire.
    """

    ice_servers: Sequence[IceServerEntry] = ()

    def __init__(
        self,
        peer_id: int,
        name: str,
        send: Callable[[int, bytes], Awaitable[None]],
        room: str = "",
    ) -> None:
        self.peer_id = peer_id
        self.name = name
        self.room = room
        self._transport_send = send
        self._peers: dict[int, Peer] = {}
        self._peers_changed = trio.Event()
        self._lost: SignalingLost | None = None
        self._outlet = Outlet(EVENT_LIMIT)
        self._by_peer: dict[int, Outlet] = {}
        self._rest: Outlet | None = None

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
            names = ", ".join(str(other) for other in self._peers.values()) or "nobody else"
            raise UnknownPeer(f"no peer {str(peer)!r} is signed in; there is: {names}")
        return found

    def _find(self, peer: Peer | int | str) -> Peer | None:
        if isinstance(peer, Peer):
            peer = peer.id
        if isinstance(peer, int):
            return self._peers.get(peer)
        if peer.isdecimal() and (by_id := self._peers.get(int(peer))):
            return by_id
        return next((p for p in reversed(self._peers.values()) if p.name == peer), None)

    async def wait_for_peer(self, peer: int | str) -> Peer:
        """Wait until a peer of this id or name is signed in.

        Raises:
            SignalingLost: the session has ended.
        """
        while (found := self._find(peer)) is None:
            if self._lost is not None:
                raise self._lost
            await self._peers_changed.wait()
        await trio.lowlevel.checkpoint()
        return found

    async def send(self, peer: Peer | int | str, message: bytes | str) -> None:
        """Send a message to a peer. Messages to one peer arrive in the order of the calls.

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
        await self._transport_send(to, data)

    def __aiter__(self) -> Signaling:
        return self

    async def __anext__(self) -> SignalingEvent:
        return await self._outlet.get()

    @contextmanager
    def subscribe(self, peer: Peer | None = None) -> Iterator[Subscription]:
        """Set the messages of one peer aside, those that wait included, and see it leave.

        Without ``peer``: the messages of all peers that no subscription names, and all
        `PeerLeft`.

        Raises:
            SignalingError: ``busy``: somebody has this subscription already.
        """
        taken = self._rest is not None if peer is None else peer.id in self._by_peer
        if taken:
            who = "the messages of all peers" if peer is None else f"the messages of {peer}"
            raise SignalingError(f"{who} go to somebody else", code="busy", fault="local")
        outlet = Outlet(EVENT_LIMIT)

        def wanted(event: SignalingEvent) -> bool:
            about_messages = isinstance(event, MessageReceived | MessageFailed)
            return about_messages and (peer is None or event.peer.id == peer.id)

        for source in (self._outlet, self._rest):
            if source is not None:
                for event in source.take(wanted):
                    outlet.put(event)
        if self._lost is not None:
            outlet.lose(self._lost)
        if peer is None:
            self._rest = outlet
        else:
            self._by_peer[peer.id] = outlet
            if peer.id not in self._peers:
                outlet.put(PeerLeft(peer))
        try:
            yield Subscription(outlet)
        finally:
            if peer is None:
                self._rest = None
            else:
                del self._by_peer[peer.id]
            for event in outlet.take(lambda event: isinstance(event, MessageReceived)):
                self._route(event)

    def hand_on(self, event: MessageReceived) -> None:
        """Put a message back, for whoever iterates over the session itself."""
        self._outlet.put(event)

    # What follows is called by the protocol that carries the session.

    def joined(self, peer: Peer) -> None:
        if peer.id != self.peer_id and peer.id not in self._peers:
            self._peers[peer.id] = peer
            self._outlet.put(PeerJoined(peer))
            self._wake_waiters()

    def left(self, peer_id: int) -> None:
        peer = self._peers.pop(peer_id, None)
        if peer is not None:
            for outlet in (self._outlet, self._rest, self._by_peer.get(peer_id)):
                if outlet is not None:
                    outlet.put(PeerLeft(peer))

    def received(self, peer_id: int, data: bytes) -> None:
        peer = self._peers.get(peer_id) or Peer(peer_id, f"peer_{peer_id}")
        self._route(MessageReceived(peer, data))

    def _route(self, event: SignalingEvent) -> None:
        outlet = self._by_peer.get(event.peer.id, self._rest) or self._outlet
        outlet.put(event)

    def failed(self, peer_id: int, error: SignalingError) -> None:
        peer = self._peers.get(peer_id) or Peer(peer_id, f"peer_{peer_id}")
        self._route(MessageFailed(peer, error))

    def lost(self, error: SignalingLost) -> None:
        self._lost = error
        for outlet in (self._outlet, self._rest, *self._by_peer.values()):
            if outlet is not None:
                outlet.lose(error)
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        self._peers_changed.set()
        self._peers_changed = trio.Event()
