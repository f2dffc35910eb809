"""The protocol of libwebrtc's peerconnection example, as the server speaks it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import parse_qsl

import trio

from ...wire.rate import TokenBucket
from ..authorize import JoinRequest
from ..chores import Turn
from ..context import Context
from ..http.connection import HttpExchange
from ..http.requests import Request, RequestError
from ..http.responses import Response
from ..hub.engine import HubEngine
from ..hub.expiry import Expiry
from ..hub.hub import Mail, Mailbox, MailboxFull, Member, NoSuchMember, Relayed
from ..hub.mailbox import PollingMailbox
from ..hub.member_names import clean_name, decode_name
from ..hub.memory import Account
from ..hub.portable import Found
from ..hub.presence import Presence
from ..limits import ServerLimits
from .dialect import Dialect, Endpoints
from .membership import Membership, Transfer, admit
from .refusal import Refused
from .settled import settled

logger = logging.getLogger("trio_rtc.server")

METHODS = {"/sign_in": "GET", "/wait": "GET", "/message": "POST", "/sign_out": "GET"}

PROTOCOL: Final = "classic"

NO_NEWS: Final = b",0,0\n"
"""What a GET that has hung for long enough is answered: that peer 0 has left, who never was.

An empty answer would end libwebrtc's client. This one it reads as a notice of a peer without a
name, which it passes over, and asks again. What stands in between sees an answer, and no server
that fails: closing the connection would be a 502 there.
"""

SHORTEST_HANG: Final = 1.0


class _Hanging:
    """A GET that hangs until there is something to tell."""

    def __init__(self) -> None:
        self.until_news = trio.CancelScope()
        self.until_superseded = trio.CancelScope()


class _ClassicMember:
    """A member whose protocol is this one.

    Attributes:
        client_network: where it signed in; see `addresses.client_network`.
        requests: how many of its requests wait for mail.
    """

    member: Member

    def __init__(self, client_network: str, limits: ServerLimits, account: Account):
        self.client_network = client_network
        self.mailbox = PollingMailbox(limits, account, self._on_mail)
        self.bucket = TokenBucket(
            limits.messages_per_second, limits.messages_burst, trio.current_time()
        )
        self.hanging: _Hanging | None = None
        self.requests = 0

    @property
    def key(self) -> int:
        """Its id, which is all that it shows for itself."""
        return self.member.id

    def _on_mail(self) -> None:
        if self.hanging is not None:
            self.hanging.until_news.cancel()


class ClassicDialect(Dialect):
    """Answers the requests of classic clients out of a hub.

    An id is all that such a client shows for itself, and ids are counted up. So a request in
    the name of a peer has to come from where that peer signed in; see
    `addresses.client_network`. It does not stop those who come from there too: on the same
    host, behind the same network address translator, or behind the same proxy.

    Args:
        bound: whether that is so.
    """

    def __init__(self, hub: HubEngine, context: Context, *, bound: bool = True):
        self._hub = hub
        self._context = context
        self._bound = bound
        self._peers: Membership[_ClassicMember] = Membership(
            PROTOCOL, hub, context, self._removed, _ClassicTransfer(context, self._wait_for)
        )
        self._absent: Expiry[_ClassicMember] = Expiry(context.limits.absent_seconds)

    @property
    def endpoints(self) -> Endpoints:
        """Whatever nobody else answers: at the root of a server it was here first."""
        return Endpoints(otherwise=self.handle)

    def drain(self) -> None:
        """Have every hanging GET look whether the server is closing."""
        for peer in self._peers:
            if peer.hanging is not None:
                peer.hanging.until_news.cancel()

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

    async def handle(self, exchange: HttpExchange) -> None:
        """Answer a request, or leave it without an answer: then its connection is closed."""
        request = exchange.request
        try:
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
                await exchange.respond(response)
                return
            self._check_no_page(request)
            if request.path == "/sign_in":
                await self._sign_in(exchange)
            elif request.path == "/wait":
                await self._wait(exchange)
            elif request.path == "/message":
                await self._message(exchange)
            else:
                await self._sign_out(exchange)
        except RequestError as error:
            logger.info("refused", extra=_log(exchange) | {"why": str(error)})
            await exchange.refuse(error)

    def _check_no_page(self, request: Request) -> None:
        """Classic clients in browsers fetch; no picture, frame, script or link speaks for them."""
        # Fetch Metadata, sections 2.1 and 2.2; Service Workers, section 4.3
        destination = request.headers.get("sec-fetch-dest", "empty").strip()
        mode = request.headers.get("sec-fetch-mode", "cors").strip()
        # What is prefetched by a link has no destination, and is asked for without an origin.
        is_unread = request.method == "GET" and mode == "no-cors"
        if destination != "empty" or is_unread or "service-worker" in request.headers:
            self._context.statistics.refused += 1
            raise RequestError(
                403, "Forbidden", f"{request.path} is for the scripts of a page to fetch, only."
            )

    async def _sign_in(self, exchange: HttpExchange) -> None:
        member = await self._join(exchange, clean_name(decode_name(exchange.request.query)))
        lines = [_line(Presence(member.id, member.name, connected=True))]
        lines += [_line(Presence(o.id, o.name, connected=True)) for o in self._hub.others(member)]
        body = "".join(lines).encode("utf-8", "surrogateescape")
        await exchange.respond(Response(200, "Added", body, pragma=member.id))

    async def _join(self, exchange: HttpExchange, name: str) -> Member:
        context = self._context
        asked = JoinRequest(name=name, room="", token=None, address=exchange.address)
        try:
            admission = await admit(asked, context)
            peer = _ClassicMember(exchange.client_network, context.limits, context.memory.open())
            await self._peers.join(peer, peer.mailbox, admission)
        except Refused as refusal:
            raise refusal.over_http() from None
        self._wait_for(peer)
        log = _log(exchange, peer.member) | {"peer_name": peer.member.name}
        logger.info("joined", extra=log)
        return peer.member

    def _wait_for(self, peer: _ClassicMember) -> None:
        """Let a peer be without a hanging GET for now."""
        self._absent.begin(peer, trio.current_time())

    def _removed(self, peer: _ClassicMember) -> None:
        self._absent.end(peer)

    async def _wait(self, exchange: HttpExchange) -> None:
        peer = await self._peer(exchange)
        until = trio.current_time() + self._hang_seconds(exchange)
        if previous := peer.hanging:
            # An empty answer would confuse its client; a closed connection does not.
            previous.until_superseded.cancel()
        hanging = peer.hanging = _Hanging()
        peer.requests += 1
        self._absent.end(peer)
        try:
            with hanging.until_superseded:
                await self._notify_next(exchange, peer, hanging, until)
            if hanging.until_superseded.cancelled_caught:
                # Part of an answer may have been sent; the mail is still to be told.
                exchange.answered = False
        finally:
            peer.requests -= 1
            if peer.member.present and not peer.requests:
                self._absent.begin(peer, trio.current_time())
            if peer.hanging is hanging:
                peer.hanging = None

    def _hang_seconds(self, exchange: HttpExchange) -> float:
        """How long a GET may hang: as long as it asks for, and not longer than is good for it."""
        longest = self._context.limits.poll_seconds
        asked = _parameter(exchange, "seconds")
        if not asked:
            return longest
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", asked):
            raise RequestError(400, "Bad Request", "The seconds of a /wait are a number.")
        return min(max(float(asked), SHORTEST_HANG), longest)

    async def _notify_next(
        self, exchange: HttpExchange, peer: _ClassicMember, hanging: _Hanging, until: float
    ) -> None:
        while (mail := peer.mailbox.take()) is None:
            if self._context.closing.is_set():
                await exchange.respond(Response(200, "OK", b"Server shutting down"))
                return
            if trio.current_time() >= until:
                await exchange.respond(Response(200, "OK", NO_NEWS, pragma=peer.member.id))
                return
            hanging.until_news.deadline = until
            if not await exchange.wait(hanging.until_news) or not peer.member.present:
                return
            hanging.until_news = trio.CancelScope()
        delivered = False
        try:
            if not await exchange.is_gone():
                await exchange.respond(_mail_response(peer.member, mail))
                delivered = True
        finally:
            if delivered:
                peer.mailbox.delivered()
                self._hub.acknowledge(peer.member, peer.mailbox.fetched)
            else:
                peer.mailbox.put_back()

    async def _message(self, exchange: HttpExchange) -> None:
        request = exchange.request
        sender_id, to = _number(exchange, "peer_id"), _number(exchange, "to")
        gone = RequestError(500, "Error", "Peer most likely gone.")
        sender = self._peers.here(sender_id)
        if sender is None:
            await self._message_for(exchange, sender_id, to, gone)
            return
        self._check_client_network(sender.client_network, exchange, sender_id)
        if not sender.bucket.take(1, trio.current_time()):
            raise RequestError(
                429,
                "Too Many Requests",
                f"A peer may send {self._context.limits.messages_per_second} messages per second.",
                limit="messages_per_second",
            )
        if to == sender_id:
            await exchange.respond(Response(200, "OK", request.body, pragma=to))
            return
        with _refusing(gone):
            pending = self._hub.send(sender.member, Relayed(sender_id, request.body), to)
            if pending is not None:
                await settled(pending)
        await exchange.respond(Response(200, "OK"))

    async def _message_for(
        self, exchange: HttpExchange, sender_id: int, to: int, gone: RequestError
    ) -> None:
        """Send a message of a peer whose GET hangs on another server: there it stays."""
        if (found := await self._peers.look(sender_id)) is None:
            raise gone
        self._check_client_network(found[1], exchange, sender_id)
        with _refusing(gone):
            message = Relayed(sender_id, exchange.request.body)
            await settled(self._hub.send_for(found[0], message, to))
        await exchange.respond(Response(200, "OK"))

    async def _sign_out(self, exchange: HttpExchange) -> None:
        self._peers.leave(await self._peer(exchange))
        await exchange.respond(Response(200, "OK"))

    async def _peer(self, exchange: HttpExchange) -> _ClassicMember:
        number = _number(exchange, "peer_id")

        def check(peer: _ClassicMember) -> None:
            self._check_client_network(peer.client_network, exchange, number)

        peer = await self._peers.find(number, check)
        if peer is None:
            raise RequestError(
                404, "Not Found", f"No peer {number} is signed in; it may have been too silent."
            )
        return peer

    def _check_client_network(self, network: str, exchange: HttpExchange, peer: int) -> None:
        if self._bound and network != exchange.client_network:
            self._context.statistics.refused += 1
            raise RequestError(403, "Forbidden", f"Peer {peer} signed in from another address.")


class _ClassicTransfer(Transfer[_ClassicMember]):
    """How a peer goes on with another server, where it is known by its id."""

    is_keyed = False

    def __init__(self, context: Context, restored: Callable[[_ClassicMember], None]):
        self._context = context
        self._restored = restored
        self.linger_seconds = context.limits.absent_seconds

    def key(self, key: Hashable) -> int:
        """Its id."""
        assert isinstance(key, int)
        return key

    def pack(self, peer: _ClassicMember) -> bytes:
        """It shows nothing for itself but where it comes from."""
        return b""

    def unpack(
        self, found: Found, state: bytes, key: Hashable, client_network: str
    ) -> tuple[_ClassicMember, Mailbox]:
        """A peer without a GET."""
        context = self._context
        peer = _ClassicMember(client_network, context.limits, context.memory.open())
        return peer, peer.mailbox

    def restored(self, peer: _ClassicMember) -> None:
        """Its GET comes now."""
        self._restored(peer)


@contextmanager
def _refusing(gone: RequestError) -> Iterator[None]:
    try:
        yield
    except NoSuchMember:
        raise gone from None
    except MailboxFull:
        raise RequestError(
            503, "Service Unavailable", "Too much waits for that peer already."
        ) from None


def _log(exchange: HttpExchange, member: Member | None = None) -> dict[str, object]:
    """What a record is about."""
    log: dict[str, object] = {"connection": exchange.number, "address": exchange.address}
    return log if member is None else log | {"peer": member.id, "room": member.room}


def _parameter(exchange: HttpExchange, name: str) -> str:
    """The first value that a query has for it; empty if there is none."""
    return dict(reversed(parse_qsl(exchange.request.query.decode("latin-1")))).get(name, "")


def _number(exchange: HttpExchange, parameter: str) -> int:
    value = _parameter(exchange, parameter)
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise RequestError(
            400,
            "Bad Request",
            f"{exchange.request.path} needs the number of a peer as {parameter}.",
        )
    return int(value)


def _line(presence: Presence) -> str:
    return f"{presence.name},{presence.id},{int(presence.connected)}\n"


def _mail_response(member: Member, mail: Mail) -> Response:
    if isinstance(mail, Presence):
        body = _line(mail).encode("utf-8", "surrogateescape")
        return Response(200, "OK", body, pragma=member.id)
    # As plain text, whatever the sender said: a browser would take it for our own page or script.
    return Response(200, "OK", mail.body, pragma=mail.sender)
