"""PeerJS's protocol, as the server speaks it: ``new Peer(id, {host, port})`` works in a page."""

from __future__ import annotations

import json
from functools import partial
from typing import Final
from urllib.parse import quote

import trio

from ....errors import NegotiationError
from ....wire import peerjs as wire
from ....wire.close_codes import REASONS, CloseCode
from ....wire.peerjs import Envelope
from ....world import world
from ...context import Context
from ...http.connection import HttpExchange
from ...http.requests import Request
from ...http.responses import Response
from ...http.routes import Route
from ...hub.engine import HubEngine, SendFailure
from ...hub.hub import MailboxFull, Member, NoSuchMember, Relayed
from ...hub.member_link import MemberLink
from ...hub.member_names import clean_text
from ...scheduling.steps import Turn
from ...websocket.frames import WebSocket
from ..dialect import Endpoints, WebSocketEndpoint
from ..membership import Membership, entering
from ..refusal import Refused
from ..websocket_dialect import WebSocketDialect
from .peerjs_admission import Admitted, PeerJSSettings, admit_by_query
from .peerjs_member import PROTOCOL, PeerJSMember, PeerLink, verbatim
from .peerjs_transfer import PeerJSTransfer
from .waiting import WaitingRoom

ROOT: Final = {
    "name": "PeerJS Server",
    "description": "A server side element to broker connections between PeerJS clients.",
    "website": "https://peerjs.com/",
}
"""What PeerJS's server says of itself, for those who look for it."""

#: The messages that tell of a refusal, where it is not just an error.
_REFUSALS: Final = {"id_taken": "ID-TAKEN", "invalid_key": "INVALID-KEY"}

_NO_PLACE: Final = "Server has reached its concurrent user limit"


class PeerJSDialect(WebSocketDialect[PeerJSMember]):
    """Connects PeerJS clients with a hub, in which each is a member with its id as the name."""

    def __init__(self, hub: HubEngine, context: Context, settings: PeerJSSettings):
        self._hub = hub
        self._context = context
        self._settings = settings
        self._peers: Membership[PeerJSMember] = Membership(
            PROTOCOL, hub, context, self._removed, PeerJSTransfer(self._made)
        )
        self._waiting = WaitingRoom(context.limits, context.memory, settings.expire_seconds)
        # Whom something waits for that has come.
        self._arrived: dict[tuple[str, str], None] = {}
        hub.watch(self._arrives)

    @property
    def endpoints(self) -> Endpoints:
        """A WebSocket under its own path, and what pages ask for beside it."""
        root, key = self._settings.root, quote(self._settings.key)
        routes: dict[str, Route] = {
            f"{root}{key}/id": self._new_id,
            f"{root}{key}/peers": self._list_peers,
        }
        if root != "/":
            # The root of the server is not this dialect's to speak for.
            routes[root] = lambda _: _json(ROOT)
        websockets = {f"{root}peerjs": WebSocketEndpoint(self.open)}
        return Endpoints(routes=routes, websockets=websockets)

    def _new_id(self, request: Request) -> Response:
        return Response(200, "OK", world().random_uuid().encode())

    def _list_peers(self, request: Request) -> Response:
        if not self._settings.discovery:
            return Response(401, "Unauthorized", b"Peers are not listed here.")
        return _json([peer.id for peer in self._peers if peer.member.room == ""])

    def tick(self, now: float) -> bool:
        """Do some of what is due; whether there may be more. To be called once in a second."""
        turn = Turn()
        with self._context.flush_batch:
            for peer in self._peers.expired(turn):
                peer.notify("ERROR", wire.ErrorPayload("The token has expired."))
                peer.farewell = CloseCode.NOT_AUTHORIZED
                self._peers.leave(peer)
            for sender, (_, address) in turn.some(self._waiting.due(now)):
                if (waits := self._peers.get(sender)) is not None:
                    waits.notify("EXPIRE", src=address)
        return turn.is_over

    async def _admit(self, websocket: WebSocket, exchange: HttpExchange) -> PeerJSMember:
        admitted = await admit_by_query(exchange, self._context, self._settings.key)
        async with entering(self._context, exchange.client_network):
            return await self.join(admitted, websocket, exchange.client_network)

    def _refuse(self, link: MemberLink, refusal: Refused) -> None:
        type_ = _REFUSALS.get(refusal.code, "ERROR")
        no_place = refusal.close_code == CloseCode.NO_PLACE
        said = wire.ErrorPayload(_NO_PLACE if no_place else refusal.sentence)
        link.send(wire.encode(type_, payload=said))
        link.fail(refusal.close_code, REASONS[refusal.close_code])

    async def join(self, admitted: Admitted, link: PeerLink, client_network: str) -> PeerJSMember:
        """Let a client in, or let it go on with another connection."""
        admission = admitted.admission
        key = admission.room, admitted.id
        peer = await self._peers.find(key, partial(self._check_same, admitted), claim=True)
        if peer is None:
            peer = await self._join(admitted, client_network)
        else:
            self._context.statistics.resumed += 1
        self._peers.stay(peer, admission.until)
        self._peers.note(peer)
        with self._context.flush_batch:
            peer.connect(link)
            self._deliver_waiting()
        return peer

    def _check_same(self, admitted: Admitted, peer: PeerJSMember) -> None:
        if not admitted.is_same(peer.token, peer.subject):
            raise Refused(CloseCode.FORBIDDEN, "ID is taken", "id_taken")
        if admitted.is_late(peer.attempt):
            self._context.statistics.late += 1
            raise Refused(CloseCode.SUPERSEDED, "There is a later connection.")
        peer.token, peer.subject = admitted.token, admitted.admission.subject
        peer.attempt = admitted.attempt

    def _arrives(self, member: Member) -> None:
        """Somebody has come, whatever its dialect."""
        for address in ((member.room, member.name), (member.room, str(member.id))):
            if self._waiting.awaits(address):
                self._arrived[address] = None
                self._context.chores.add(self._deliver_waiting)

    async def _join(self, admitted: Admitted, client_network: str) -> PeerJSMember:
        peer = self._made((admitted.admission.room, admitted.id), admitted.token, client_network)
        peer.subject, peer.attempt = admitted.admission.subject, admitted.attempt
        await self._peers.join(peer, peer, admitted.admission)
        return peer

    def _made(self, key: tuple[str, str], token: str, client_network: str) -> PeerJSMember:
        context = self._context
        return PeerJSMember(
            key[1],
            key[0],
            token,
            client_network,
            context.limits,
            context.flush_batch,
            context.memory,
            self._address_of,
        )

    def _removed(self, peer: PeerJSMember) -> None:
        self._waiting.forget(peer.member.id)

    def _disconnected(self, peer: PeerJSMember) -> None:
        # PeerJS knows no peer without a connection.
        peer.link = None
        self._peers.leave(peer)

    def _take(self, peer: PeerJSMember, text: str) -> None:
        try:
            self._do(peer, wire.decode(text), len(text))
        except NegotiationError as error:
            self._context.statistics.malformed += 1
            peer.notify("ERROR", wire.ErrorPayload(str(error)))

    def _do(self, peer: PeerJSMember, envelope: Envelope, size: int) -> None:
        if envelope.type == "HEARTBEAT":
            # That somebody is there is found out by WebSocket's own pings.
            return
        if envelope.type not in wire.RELAYED:
            raise NegotiationError(f"no client sends a message of type {envelope.type[:40]!r}")
        if not envelope.dst:
            if envelope.type != "LEAVE":
                raise NegotiationError(f"a message of type {envelope.type} has no dst")
            peer.farewell = CloseCode.LEFT
            self._peers.leave(peer)
            return
        room = peer.member.room
        try:
            whose = peer.whose(envelope)
            other = self._find(room, envelope.dst) if whose is None else self._hub.member(whose)
            if other is not None and not self._waiting.waits(peer.member.id, (room, envelope.dst)):
                self._relay(peer, envelope, other)
            elif envelope.type not in wire.FLEETING:
                self._keep(peer, envelope, size)
        except MailboxFull:
            peer.notify("EXPIRE", src=envelope.dst)

    def _keep(self, peer: PeerJSMember, envelope: Envelope, size: int) -> None:
        """Let a message wait for somebody who is not there."""
        assert envelope.dst is not None
        try:
            address = (peer.member.room, envelope.dst)
            self._waiting.add(peer.member.id, address, envelope, size, trio.current_time())
        except MailboxFull as full:
            self._context.statistics.over_limit[full.limit] += 1
            raise

    def _find(self, room: str, address: str) -> Member | None:
        """Who is called so: a PeerJS client, whoever has that name, whoever has that number."""
        if (peer := self._peers.here((room, address))) is not None:
            return peer.member
        if (named := self._hub.named(clean_text(address), room)) is not None:
            return named
        if address.isdecimal() and len(address) <= 16:
            member = self._hub.member(int(address))
            if member is not None and member.room == room:
                return member
        return None

    def _address_of(self, peer: PeerJSMember, other: int) -> str:
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
                self._deliver(waiting[0], waiting[1], member)
        return bool(self._arrived)

    def _deliver(self, sender: int, envelopes: list[Envelope], member: Member) -> None:
        peer = self._peers.get(sender)
        assert peer is not None, "what somebody has waiting is dropped when it leaves"
        for envelope in envelopes:
            try:
                self._relay(peer, envelope, member)
            except NegotiationError as error:
                self._context.statistics.malformed += 1
                peer.notify("ERROR", wire.ErrorPayload(str(error)))
            except MailboxFull:
                assert envelope.dst is not None
                peer.notify("EXPIRE", src=envelope.dst)

    def _relay(self, peer: PeerJSMember, envelope: Envelope, to: Member) -> None:
        assert envelope.dst is not None
        if to.protocol == PROTOCOL:
            message = verbatim(peer, envelope)
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
            pending = self._hub.send(peer.member, message, to.id)
        except NoSuchMember:
            # Telling somebody else may just have shown that it is gone.
            peer.notify("EXPIRE", src=envelope.dst)
            return
        if pending is not None:
            pending.then(partial(_settled, peer, envelope.dst))


def _settled(peer: PeerJSMember, dst: str, failure: SendFailure | None) -> None:
    if failure is not None:
        peer.notify("EXPIRE", src=dst)


def _json(value: object) -> Response:
    return Response(200, "OK", json.dumps(value).encode(), "application/json")
