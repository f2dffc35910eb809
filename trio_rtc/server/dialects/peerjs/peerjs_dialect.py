"""PeerJS's protocol, as the server speaks it: ``new Peer(id, {host, port})`` works in a page."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import trio

from ....errors import NegotiationError
from ....wire import peerjs as wire
from ....wire.native import REASONS, CloseCode
from ....wire.peerjs import Envelope
from ...chores import Turn
from ...context import Context
from ...http.connection import Exchange
from ...http.requests import Request
from ...http.responses import Response
from ...http.routes import Route
from ...hub.deadlines import Deadlines
from ...hub.hub import Hub, HubFull, MailboxFull, Member, NoSuchMember, Relayed
from ...hub.member_names import clean_text
from ...websocket.frames import Receiver, WebSocket
from .peerjs_admission import Admitted, PeerJSSettings, Refused, admit
from .peerjs_member import PeerJSPeer, PeerLink, verbatim
from .waiting import WaitingRoom

logger = logging.getLogger("trio_rtc.server")

PROTOCOL: Final = "peerjs"

ROOT: Final = {
    "name": "PeerJS Server",
    "description": "A server side element to broker connections between PeerJS clients.",
    "website": "https://peerjs.com/",
}
"""What PeerJS's server says of itself, for those who look for it."""


class PeerJSDialect:
    """Connects PeerJS clients with a hub, in which each is a member with its id as the name."""

    def __init__(self, hub: Hub, context: Context, settings: PeerJSSettings):
        self._hub = hub
        self._context = context
        self._settings = settings
        self._peers: dict[tuple[str, str], PeerJSPeer] = {}
        self._by_member: dict[int, PeerJSPeer] = {}
        # The end of a token is a moment on the wall clock.
        self._expiring: Deadlines[PeerJSPeer] = Deadlines()
        self._waiting = WaitingRoom(context.limits, context.memory, settings.expire_seconds)
        # Whom something waits for that has come.
        self._arrived: dict[tuple[str, str], None] = {}
        hub.watch(self._arrives)

    @property
    def routes(self) -> Mapping[str, Route]:
        """What answers a GET, by path."""
        root, key = self._settings.root, quote(self._settings.key)
        routes: dict[str, Route] = {
            f"{root}{key}/id": self._new_id,
            f"{root}{key}/peers": self._list_peers,
        }
        if root != "/":
            # The root of the server is not this dialect's to speak for.
            routes[root] = lambda _: _json(ROOT)
        return routes

    @property
    def path(self) -> str:
        """Where a request for a WebSocket has to go."""
        return f"{self._settings.root}peerjs"

    def _new_id(self, request: Request) -> Response:
        return Response(200, "OK", str(uuid.uuid4()).encode())

    def _list_peers(self, request: Request) -> Response:
        if not self._settings.discovery:
            return Response(401, "Unauthorized", b"Peers are not listed here.")
        return _json([id_ for room, id_ in self._peers if room == ""])

    def tick(self, now: float) -> bool:
        """Do some of what is due; whether there may be more. To be called once in a second."""
        turn = Turn()
        with self._context.flushes:
            for peer in turn.some(self._expiring.due(time.time())):
                peer.tell("ERROR", wire.Said("The token has expired."))
                peer.farewell = CloseCode.NOT_AUTHORIZED
                self._hub.leave(peer.member)
            for sender, (_, address) in turn.some(self._waiting.due(now)):
                self._by_member[sender].tell("EXPIRE", src=address)
        return turn.is_over

    async def open(self, websocket: WebSocket, exchange: Exchange) -> Receiver | None:
        """Begin with a connection by the request for it."""
        log = websocket.log
        try:
            admitted = await admit(exchange, self._context, self._settings.key)
            async with self._context.entrance:
                if self._context.closing.is_set():
                    raise Refused("ERROR", CloseCode.GOING_AWAY, "The server ends.")
                peer = self.join(admitted, websocket, exchange.party, trio.current_time())
        except Refused as refusal:
            logger.info("refused", extra=log | {"why": str(refusal)})
            websocket.send(wire.encode(refusal.type, payload=wire.Said(str(refusal))))
            websocket.fail(refusal.close_code, REASONS[refusal.close_code])
            return None
        log |= {"peer": peer.member.id, "room": peer.member.room}
        logger.info("connected", extra=log | {"peer_name": peer.id})
        return _Receiver(self, peer, websocket)

    def join(self, admitted: Admitted, link: PeerLink, party: str, now: float) -> PeerJSPeer:
        """Let a client in, or let it go on with another connection."""
        peer = self._peers.get((admitted.room, admitted.id))
        if peer is None:
            peer = self._join(admitted, party, now)
        elif not admitted.is_same(peer.token, peer.subject):
            raise Refused("ID-TAKEN", CloseCode.FORBIDDEN, "ID is taken")
        elif admitted.is_late(peer.attempt):
            self._context.statistics.late += 1
            raise Refused("ERROR", CloseCode.SUPERSEDED, "There is a later connection.")
        else:
            self._context.statistics.resumed += 1
        peer.token, peer.subject = admitted.token, admitted.subject
        peer.attempt = admitted.attempt
        self._expiring.set(peer, admitted.until)
        with self._context.flushes:
            peer.connect(link)
            self._deliver_waiting()
        return peer

    def _arrives(self, member: Member) -> None:
        """Somebody has come, whatever its dialect."""
        for address in ((member.room, member.name), (member.room, str(member.id))):
            if self._waiting.awaits(address):
                self._arrived[address] = None
                self._context.chores.add(self._deliver_waiting)

    def _join(self, admitted: Admitted, party: str, now: float) -> PeerJSPeer:
        context, id_, room = self._context, admitted.id, admitted.room
        peer = PeerJSPeer(
            id_,
            admitted.token,
            party,
            context.limits,
            context.flushes,
            context.memory,
            self._address_of,
            self._removed,
        )
        try:
            context.check_join(party, now)
            peer.member = self._hub.join(id_, peer, room)
        except HubFull as full:
            context.statistics.over_limit[full.limit] += 1
            why = "Server has reached its concurrent user limit"
            raise Refused("ERROR", CloseCode.NO_PLACE, why) from None
        self._peers[room, id_] = self._by_member[peer.member.id] = peer
        context.peers.add(party)
        context.statistics.joined[PROTOCOL] += 1
        context.statistics.peers[PROTOCOL] += 1
        return peer

    def _removed(self, peer: PeerJSPeer) -> None:
        self._expiring.end(peer)
        del self._peers[peer.member.room, peer.id], self._by_member[peer.member.id]
        self._waiting.forget(peer.member.id)
        self._context.peers.remove(peer.party)
        self._context.statistics.peers[PROTOCOL] -= 1

    def hear(self, peer: PeerJSPeer, link: PeerLink, messages: list[str], now: float) -> None:
        """Do what a client says, as long as its connection is the peer's."""
        for text in messages:
            if peer.link is not link or not link.is_open:
                return
            try:
                self._take(peer, wire.decode(text), len(text), now)
            except NegotiationError as error:
                self._context.statistics.malformed += 1
                peer.tell("ERROR", wire.Said(str(error)))

    def detach(self, peer: PeerJSPeer, link: PeerLink) -> None:
        """A connection has ended. PeerJS knows no peer without one."""
        if peer.link is link:
            peer.link = None
            self._hub.leave(peer.member)

    def _take(self, peer: PeerJSPeer, envelope: Envelope, size: int, now: float) -> None:
        if envelope.type == "HEARTBEAT":
            # That somebody is there is found out by WebSocket's own pings.
            return
        if envelope.type not in wire.RELAYED:
            raise NegotiationError(f"no client sends a message of type {envelope.type[:40]!r}")
        if not envelope.dst:
            if envelope.type != "LEAVE":
                raise NegotiationError(f"a message of type {envelope.type} has no dst")
            peer.farewell = CloseCode.LEFT
            self._hub.leave(peer.member)
            return
        room = peer.member.room
        try:
            whose = peer.whose(envelope)
            other = self._find(room, envelope.dst) if whose is None else self._hub.member(whose)
            if other is not None and not self._waiting.waits(peer.member.id, (room, envelope.dst)):
                self._relay(peer, envelope, other)
            elif envelope.type not in wire.FLEETING:
                self._keep(peer, envelope, size, now)
        except MailboxFull:
            peer.tell("EXPIRE", src=envelope.dst)

    def _keep(self, peer: PeerJSPeer, envelope: Envelope, size: int, now: float) -> None:
        """Let a message wait for somebody who is not there."""
        assert envelope.dst is not None
        try:
            address = (peer.member.room, envelope.dst)
            self._waiting.add(peer.member.id, address, envelope, size, now)
        except MailboxFull as full:
            self._context.statistics.over_limit[full.limit] += 1
            raise

    def _find(self, room: str, address: str) -> Member | None:
        """Who is called so: a PeerJS client, whoever has that name, whoever has that number."""
        if (peer := self._peers.get((room, address))) is not None:
            return peer.member
        if (named := self._hub.named(clean_text(address), room)) is not None:
            return named
        if address.isdecimal() and len(address) <= 16:
            member = self._hub.member(int(address))
            if member is not None and member.room == room:
                return member
        return None

    def _address_of(self, peer: PeerJSPeer, other: int) -> str:
        """What this client calls a member: as it did itself, or as it can."""
        member = self._hub.member(other)
        if (called := peer.addresses.get(other)) is not None or member is None:
            return called or str(other)
        unambiguous = self._find(member.room, member.name) is member
        return member.name if unambiguous else str(other)

    def _deliver_waiting(self) -> bool:
        """Deliver what a sender has waiting for somebody who has come; whether there is more."""
        for room, address in list(self._arrived)[:1]:
            member = self._find(room, address)
            waiting = None if member is None else self._waiting.take((room, address))
            if member is None or waiting is None:
                del self._arrived[room, address]
            else:
                self._deliver(self._by_member[waiting[0]], waiting[1], member)
        return bool(self._arrived)

    def _deliver(self, peer: PeerJSPeer, envelopes: list[Envelope], member: Member) -> None:
        for envelope in envelopes:
            try:
                self._relay(peer, envelope, member)
            except NegotiationError as error:
                self._context.statistics.malformed += 1
                peer.tell("ERROR", wire.Said(str(error)))
            except MailboxFull:
                assert envelope.dst is not None
                peer.tell("EXPIRE", src=envelope.dst)

    def _relay(self, peer: PeerJSPeer, envelope: Envelope, to: Member) -> None:
        assert envelope.dst is not None
        if to.id in self._by_member:
            message: Relayed = verbatim(peer, envelope)
        else:
            try:
                body = peer.to_classic(to.id, envelope)
            except MailboxFull as full:
                self._context.statistics.over_limit[full.limit] += 1
                raise
            if body is None:
                return
            peer.addresses[to.id] = envelope.dst
            message = Relayed(peer.member.id, body)
        try:
            self._hub.send(peer.member, message, to.id)
        except NoSuchMember:
            # Telling somebody else may just have shown that it is gone.
            peer.tell("EXPIRE", src=envelope.dst)


class _Receiver:
    """What comes on a connection of a peer."""

    __slots__ = ("_dialect", "_peer", "_websocket")

    def __init__(self, dialect: PeerJSDialect, peer: PeerJSPeer, websocket: WebSocket):
        self._dialect = dialect
        self._peer = peer
        self._websocket = websocket

    def hear(self, messages: list[str]) -> None:
        self._dialect.hear(self._peer, self._websocket, messages, trio.current_time())

    def disconnected(self) -> None:
        logger.info("disconnected", extra=self._websocket.log)
        self._dialect.detach(self._peer, self._websocket)


def _json(value: object) -> Response:
    return Response(200, "OK", json.dumps(value).encode(), "application/json")
