"""The protocol of libwebrtc's peerconnection example, as the server speaks it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

import trio

from ....wire.native import SESSION_HEADER
from ....world import world
from ...authorize import JoinRequest
from ...context import Context
from ...http.connection import HttpExchange
from ...http.requests import RequestError
from ...http.responses import Response
from ...hub.engine import HubEngine, PendingSend, SendFailure
from ...hub.expiry import Expiry
from ...hub.hub import MailboxFull, Member, NoSuchMember, Relayed
from ...hub.mail import SenderElsewhere
from ...hub.member_names import clean_name, decode_name
from ...hub.presence import Presence
from ...scheduling.steps import Turn
from ..dialect import Dialect, Endpoints
from ..membership import Membership, admit
from ..refusal import Refused
from ..settled import settled
from .classic_member import ClassicMember, HangingGet, mail_response, presence_line
from .classic_requests import (
    METHODS,
    hang_seconds,
    is_of_a_page,
    notices_at_once,
    parameters_of,
    peer_number,
)
from .classic_transfer import ClassicTransfer, session_of
from .speaker_check import SpeakerCheck, not_signed_in

logger = logging.getLogger("trio_rtc.server")

PROTOCOL: Final = "classic"

SESSION_BYTES: Final = 16

NO_NEWS: Final = b",0,0\n"
"""What a GET that has hung for long enough is answered: that peer 0 has left, who never was.

An empty answer would end libwebrtc's client. This one it reads as a notice of a peer without a
name, which it passes over, and asks again. What stands in between sees an answer, and no server
that fails: closing the connection would be a 502 there.
"""

_TAKEN: Final = Response(200, "OK")

_OfPeer: TypeAlias = "Callable[[HttpExchange, ClassicMember], Awaitable[None] | None]"
"""Answers a request of a peer."""


class ClassicDialect(Dialect):
    """Answers the requests of classic clients out of a hub.

    Args:
        bound: whether a request has to come from where its peer signed in; see `SpeakerCheck`.
    """

    def __init__(self, hub: HubEngine, context: Context, *, bound: bool = True):
        self._hub = hub
        self._context = context
        self._bound = bound
        self._peers: Membership[ClassicMember] = Membership(
            PROTOCOL, hub, context, self._removed, ClassicTransfer(context, self._wait_for)
        )
        self._absent: Expiry[ClassicMember] = Expiry(context.limits.absent_seconds)
        self._fetched: dict[ClassicMember, None] = {}

    @property
    def endpoints(self) -> Endpoints:
        """Whatever nobody else answers: at the root of a server it was here first."""
        return Endpoints(otherwise=self.handle)

    def drain(self) -> None:
        """Have every hanging GET look whether the server is closing."""
        for peer in self._peers:
            if peer.hanging is not None:
                peer.hanging.tell()

    def tick(self, now: float) -> bool:
        """Log out some of the peers that have been absent for too long, or may stay no longer.

        It tells whether there may be more.
        """
        turn = Turn()
        for peer in turn.some(self._absent.due(now)):
            self._context.statistics.over_limit["absent_seconds"] += 1
            self._peers.leave(peer)
        for peer in self._peers.expired(turn):
            self._peers.leave(peer)
        return turn.is_over

    def handle(self, exchange: HttpExchange) -> Awaitable[None] | None:
        """Answer a request; see `connection.Handler`."""
        try:
            return self._handle(exchange)
        except RequestError as error:
            self._refuse(exchange, error)
            return None

    def _handle(self, exchange: HttpExchange) -> Awaitable[None] | None:
        request = exchange.request
        if request.path not in METHODS:
            raise RequestError(
                404, "Not Found", "This is a signaling server; sign in at /sign_in?NAME."
            )
        if request.method != METHODS[request.path]:
            response = Response(
                405,
                "Method Not Allowed",
                f"{request.path} is asked for with {METHODS[request.path]}.".encode(),
                extra={"Allow": f"{METHODS[request.path]}, OPTIONS"},
            )
            exchange.respond(response)
            return None
        if is_of_a_page(request):
            self._context.statistics.refused += 1
            raise RequestError(
                403, "Forbidden", f"{request.path} is for the scripts of a page to fetch, only."
            )
        if request.path == "/sign_in":
            return self._later(exchange, self._sign_in(exchange))
        parameters = parameters_of(exchange)
        number = peer_number(exchange, parameters, "peer_id")
        shown = parameters.get("session")
        check = SpeakerCheck(exchange, number, shown, self._bound, self._context.statistics)
        if request.path == "/wait":
            return self._with_peer(check, partial(self._wait, parameters))
        if request.path == "/message":
            to = peer_number(exchange, parameters, "to")
            return self._message(check, to)
        return self._with_peer(check, self._sign_out)

    async def _later(self, exchange: HttpExchange, answering: Awaitable[None]) -> None:
        """As `handle`, for what has to be awaited."""
        try:
            await answering
        except RequestError as error:
            self._refuse(exchange, error)

    def _refuse(self, exchange: HttpExchange, error: RequestError) -> None:
        logger.info("refused", extra=_log(exchange) | {"why": str(error)})
        exchange.refuse(error)

    def _with_peer(self, check: SpeakerCheck, then: _OfPeer) -> Awaitable[None] | None:
        """Answer a request of a peer; at once if it is here."""
        peer = self._peers.here(check.number)
        if peer is None:
            return self._later(check.exchange, self._with_found(check, then))
        check(peer.client_network, peer.session)
        return then(check.exchange, peer)

    async def _with_found(self, check: SpeakerCheck, then: _OfPeer) -> None:
        """As `_with_peer`; one that is on another server goes on with this one."""
        peer = await self._peers.find(
            check.number, lambda one: check(one.client_network, one.session)
        )
        if peer is None:
            raise not_signed_in(check.number)
        if (answering := then(check.exchange, peer)) is not None:
            await answering

    async def _sign_in(self, exchange: HttpExchange) -> None:
        peer = await self._join(exchange, clean_name(decode_name(exchange.request.query)))
        member = peer.member
        lines = [presence_line(Presence(member.id, member.name, connected=True))]
        lines += [
            presence_line(Presence(o.id, o.name, connected=True)) for o in self._hub.others(member)
        ]
        body = "".join(lines).encode("utf-8", "surrogateescape")
        extra = {SESSION_HEADER: peer.session}
        response = Response(200, "Added", body, pragma=member.id, extra=extra)
        exchange.respond(response, partial(self._signed_in, peer))

    def _signed_in(self, peer: ClassicMember, answered: bool) -> None:
        if not answered and peer.member.present:
            # It has gone meanwhile, and never learns its id: it cannot even sign out.
            self._peers.leave(peer)

    async def _join(self, exchange: HttpExchange, name: str) -> ClassicMember:
        context = self._context
        asked = JoinRequest(name=name, room="", token=None, address=exchange.address)
        try:
            admission = await admit(asked, context)
            peer = ClassicMember(
                exchange.client_network,
                context.limits,
                context.memory.open(),
                world().random_token(SESSION_BYTES),
            )
            await self._peers.join(peer, peer.mailbox, admission)
        except Refused as refusal:
            raise refusal.over_http() from None
        self._wait_for(peer)
        log = _log(exchange, peer.member) | {"peer_name": peer.member.name}
        logger.info("joined", extra=log)
        return peer

    def _wait_for(self, peer: ClassicMember) -> None:
        """Let a peer be without a hanging GET for now."""
        self._absent.begin(peer, trio.current_time())

    def _removed(self, peer: ClassicMember) -> None:
        self._absent.end(peer)
        self._fetched.pop(peer, None)

    def _wait(
        self, parameters: dict[str, str], exchange: HttpExchange, peer: ClassicMember
    ) -> None:
        until = trio.current_time() + hang_seconds(
            parameters.get("seconds", ""), self._context.limits.poll_seconds
        )
        previous = peer.hanging
        notices = notices_at_once(parameters.get("notices", ""))
        hanging = peer.hanging = HangingGet(exchange, peer, until, notices, self._tell)
        peer.requests += 1
        if previous is not None:
            # An empty answer would confuse its client; a closed connection does not. Of one that
            # is being sent it is known later what has become of it: till then the mail stays.
            if not previous.is_told:
                self._end(previous)
            previous.exchange.abandon()
        self._absent.end(peer)
        exchange.hold(partial(self._end, hanging))
        self._context.timers.set(hanging, until)
        hanging.tell()

    def _end(self, hanging: HangingGet) -> None:
        """A GET hangs no more, whatever has become of it."""
        if hanging.is_over:
            return
        hanging.is_over = True
        self._context.timers.end(hanging)
        peer = hanging.peer
        peer.requests -= 1
        if peer.member.present and not peer.requests:
            self._wait_for(peer)
        if peer.hanging is hanging:
            peer.hanging = None

    def _tell(self, hanging: HangingGet) -> None:
        peer, exchange = hanging.peer, hanging.exchange
        if not peer.member.present:
            self._end(hanging)
            exchange.abandon()
        elif mail := peer.mailbox.take_notices(hanging.notices) or peer.mailbox.take():
            hanging.is_told = True
            exchange.respond(mail_response(peer.member, mail), partial(self._told, hanging))
        elif self._context.closing.is_set():
            self._end(hanging)
            exchange.respond(Response(200, "OK", b"Server shutting down"))
        elif trio.current_time() >= hanging.until:
            self._end(hanging)
            exchange.respond(Response(200, "OK", NO_NEWS, pragma=peer.member.id))

    def _told(self, hanging: HangingGet, delivered: bool) -> None:
        self._end(hanging)
        peer = hanging.peer
        if not delivered:
            peer.mailbox.put_back()
            return
        peer.mailbox.delivered()
        if peer.member.present:
            # The hub may be what has called this, with the mail: it is told behind that.
            self._fetched[peer] = None
            if self._context.flush_batch.is_open:
                self._context.flush_batch.mark(self)
            else:
                self._context.chores.add(self._acknowledge)

    def flush(self) -> None:
        """As `flush_batches.Flushable.flush`."""
        self._acknowledge()

    def _acknowledge(self) -> bool:
        """Acknowledge what has been fetched. There is nothing more to do then."""
        fetched, self._fetched = self._fetched, {}
        for peer in fetched:
            self._hub.acknowledge(peer.member, peer.mailbox.fetched)
        return False

    def _message(self, check: SpeakerCheck, to: int) -> Awaitable[None] | None:
        exchange, sender_id = check.exchange, check.number
        sender = self._peers.here(sender_id)
        if sender is None:
            return self._later(exchange, self._message_for(check, to))
        check(sender.client_network, sender.session)
        if not sender.bucket.take(1, trio.current_time()):
            raise RequestError(
                429,
                "Too Many Requests",
                f"A peer may send {self._context.limits.messages_per_second} messages per second.",
                limit="messages_per_second",
            )
        body = exchange.request.body
        if to == sender_id:
            exchange.respond(Response(200, "OK", body, pragma=to))
            return None
        try:
            pending = self._hub.send(sender.member, Relayed(sender_id, body), to)
        except (NoSuchMember, MailboxFull) as failure:
            raise _undelivered(failure) from None
        if pending is not None:
            return self._later(exchange, self._settled(check, pending, to))
        exchange.respond(_TAKEN)
        return None

    async def _settled(self, check: SpeakerCheck, pending: PendingSend, to: int) -> None:
        try:
            await _respond_when_settled(check.exchange, pending)
        except SenderElsewhere:
            # Its GET hangs on a server of which this one has not heard yet.
            await self._message_for(check, to)

    async def _message_for(self, check: SpeakerCheck, to: int) -> None:
        """Send a message of a peer whose GET hangs on another server: there it stays."""
        exchange, sender_id = check.exchange, check.number
        if (found := await self._peers.look(sender_id)) is None:
            raise _undelivered(NoSuchMember(sender_id))
        place, client_network, state = found
        check(client_network, session_of(state))
        message = Relayed(sender_id, exchange.request.body)
        try:
            await _respond_when_settled(exchange, self._hub.send_for(place, message, to))
        except SenderElsewhere as failure:
            raise _undelivered(failure) from None

    def _sign_out(self, exchange: HttpExchange, peer: ClassicMember) -> None:
        self._peers.leave(peer)
        exchange.respond(_TAKEN)


def _undelivered(failure: SendFailure) -> RequestError:
    if isinstance(failure, NoSuchMember):
        return RequestError(500, "Error", "Peer most likely gone.")
    return RequestError(503, "Service Unavailable", "Too much waits for that peer already.")


async def _respond_when_settled(exchange: HttpExchange, pending: PendingSend) -> None:
    """Answer as soon as a message has its place, or has none.

    Raises:
        SenderElsewhere: it has to be sent for its sender.
    """
    try:
        await settled(pending)
    except SenderElsewhere:
        raise
    except (NoSuchMember, MailboxFull) as failure:
        raise _undelivered(failure) from None
    exchange.respond(_TAKEN)


def _log(exchange: HttpExchange, member: Member | None = None) -> dict[str, object]:
    """What a record is about."""
    log: dict[str, object] = {"connection": exchange.number, "address": exchange.address}
    return log if member is None else log | {"peer": member.id, "room": member.room}
