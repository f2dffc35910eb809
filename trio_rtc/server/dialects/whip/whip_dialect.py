"""WHIP and WHEP, as the server speaks them: a call of a peer by HTTP requests.

``POST /whip/ROOM/NAME`` calls the peer of that name in that room, and sends to it; ``/whep/`` calls
it and watches. The answer names a session, whose candidates are trickled with PATCH, and which ends
with DELETE (RFC 9725). To the peer it is a call like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final
from urllib.parse import quote

import trio

from ....errors import NegotiationError
from ....wire.messages import BYE, IceCandidate, SessionDescription, encode
from ....wire.rate import TokenBucket
from ....wire.whip import (
    FRAGMENT,
    SDP,
    Fragment,
    IceLink,
    format_fragment,
    format_links,
    parse_fragment,
)
from ....wire.whip_sdp import check_offer, credentials_of, with_candidates, with_credentials
from ....world import world
from ...authorize import Admission, JoinRequest
from ...context import Context
from ...http.connection import HttpExchange
from ...http.requests import RequestError
from ...http.responses import Response
from ...hub.engine import HubEngine, SendFailure
from ...hub.hub import MailboxFull, Member, NoSuchMember, Relayed
from ...hub.memory import OVERHEAD
from ...scheduling.steps import Turn
from ...turn import TurnCredentials
from ..dialect import Dialect, Endpoints
from ..membership import Membership, admit
from ..refusal import Refused
from .whip_requests import CORS, Told, body, describe, not_allowed, sentence, target
from .whip_session import Called, WhipSession, fragment_candidates
from .whip_transfer import WhipTransfer

logger = logging.getLogger("trio_rtc.server")

ANSWER_SECONDS: Final = 15.0
"""How long the peer that is called may take to answer."""

CANDIDATE_SECONDS: Final = 1.0
"""How long after its answer its candidates are waited for, if it does not tell that it has all."""

RETRY_SECONDS: Final = 2
"""After which a client may look again whether somebody is there."""


class WhipDialect(Dialect):
    """Answers the requests of WHIP's, or of WHEP's, clients out of a hub.

    Args:
        protocol: ``whip`` or ``whep``, which is also where it is spoken.
        turn: what clients are given credentials for TURN servers from.
        find_or_open: called with the name of a peer, a room and the client's network, to make
            that peer if there is none.
    """

    def __init__(
        self,
        protocol: str,
        hub: HubEngine,
        context: Context,
        turn: TurnCredentials | None = None,
        find_or_open: Callable[[str, str, str], Awaitable[Member]] | None = None,
    ):
        self._protocol = protocol
        self._root = f"/{protocol}/"
        self._hub = hub
        self._context = context
        self._turn = turn
        self._find_or_open = find_or_open
        self._sessions: Membership[WhipSession] = Membership(
            protocol, hub, context, lambda session: None, WhipTransfer(self._made)
        )
        #: Those with something to be done that takes the hub.
        self._news: dict[WhipSession, None] = {}
        self._waiting: dict[WhipSession, trio.CancelScope] = {}

    @property
    def endpoints(self) -> Endpoints:
        """All that begins with the name of the protocol."""
        return Endpoints(resources={self._root: self.handle})

    def drain(self) -> None:
        """Have those who wait for an answer look whether the server is closing."""
        for scope in self._waiting.values():
            scope.cancel()

    def tick(self, now: float) -> bool:
        """End sessions that are over, or may go on no longer; whether there may be more."""
        turn = Turn()
        for session in self._sessions.expired(turn):
            self._hang_up(session, "The token has expired.")
        for session in turn.some(iter(tuple(self._news))):
            del self._news[session]
            self._look_after(session)
        return turn.is_over

    def _look_after(self, session: WhipSession) -> None:
        strangers, session.strangers = session.strangers, []
        for stranger in strangers:
            # A call that nobody can take ends at once, and not at its deadline.
            self._send(session, BYE, stranger)
        if session.ended is not None and session not in self._waiting:
            self._sessions.leave(session)

    def _on_news(self, session: WhipSession) -> None:
        self._news[session] = None
        if scope := self._waiting.get(session):
            scope.cancel()

    async def handle(self, exchange: HttpExchange) -> None:
        """Answer a request, or leave it without an answer: then its connection is closed."""
        method = exchange.request.method
        path = exchange.request.path.removeprefix(self._root)
        session = await self._sessions.find(path.rpartition("/")[2])
        try:
            if method == "OPTIONS":
                exchange.respond(describe(is_session=session is not None))
            elif session is not None and method == "PATCH":
                await self._patch(exchange, session)
            elif session is not None and method == "DELETE":
                self._hang_up(session, "The client has ended it.")
                exchange.respond(Response(200, "OK", content_type=None, cors=CORS))
            elif session is None and method == "POST":
                await self._post(exchange, path)
            elif session is None and method in ("PATCH", "DELETE"):
                raise RequestError(404, "Not Found", "There is no such session, or no more.")
            else:
                exchange.respond(not_allowed(is_session=session is not None))
        except Told as told:
            logger.info("refused", extra=self._log(exchange) | {"why": told.response.body.decode()})
            exchange.respond(told.response)
        except RequestError as error:
            logger.info("refused", extra=self._log(exchange) | {"why": str(error)})
            exchange.refuse(error)

    async def _post(self, exchange: HttpExchange, path: str) -> None:
        room, name = target(path)
        offer = body(exchange.request, SDP)
        try:
            check_offer(offer)
        except NegotiationError as error:
            raise RequestError(400, "Bad Request", sentence(error)) from None
        admission = await self._admit(exchange, room)
        named = await self._find(exchange, name, admission.room)
        called = Called(named.id, named.name)
        session = await self._join(exchange, admission, called, offer)
        done = False
        try:
            self._offer(session)
            if await self._until_answered(exchange, session):
                self._sessions.note(session)
                exchange.respond(self._created(session, name))
                await exchange.sent()
                done = True
        finally:
            if not done:
                self._hang_up(session, "The client has not had an answer.")

    async def _find(self, exchange: HttpExchange, name: str, room: str) -> Member:
        """The peer that is to be called."""
        if self._find_or_open is not None:
            try:
                return await self._find_or_open(name, room, exchange.client_network)
            except Refused as refusal:
                raise refusal.over_http() from None
        if (named := await self._hub.find_named(name, room)) is None:
            raise Told(404, "Not Found", f"Nobody is called {name!r} there.", retry=RETRY_SECONDS)
        return named

    async def _admit(self, exchange: HttpExchange, room: str) -> Admission:
        scheme, _, token = exchange.request.headers.get("authorization", "").strip().partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        asked = JoinRequest(name="", room=room, token=token or None, address=exchange.address)
        try:
            return await admit(asked, self._context)
        except Refused as refusal:
            error = refusal.over_http()
            if error.status == 401:
                # RFC 6750, section 3
                raise Told(401, error.reason, error.sentence, challenge="Bearer") from None
            raise error from None

    async def _join(
        self, exchange: HttpExchange, admission: Admission, called: Called, offer: str
    ) -> WhipSession:
        session = self._made(exchange.client_network, called, offer)
        account = session.account
        if not account.take(OVERHEAD + len(offer)):
            raise RequestError(
                503,
                "Service Unavailable",
                "Too much waits here already: try again later.",
                limit="memory_bytes",
            )
        named = Admission(
            name=admission.name or self._protocol,
            room=admission.room,
            until=admission.until,
            subject=admission.subject,
        )
        try:
            await self._sessions.join(session, session, named)
        except BaseException as error:
            account.close()
            if isinstance(error, Refused):
                raise error.over_http() from None
            raise
        logger.info("joined", extra=self._log(exchange, session))
        return session

    def _made(
        self, client_network: str, called: Called, offer: str, key: str | None = None
    ) -> WhipSession:
        limits, now = self._context.limits, trio.current_time()
        bucket = TokenBucket(limits.messages_per_second, limits.messages_burst, now)
        account = self._context.memory.open()
        return WhipSession(client_network, called, offer, account, bucket, self._on_news, key)

    def _offer(self, session: WhipSession) -> None:
        message = SessionDescription(type="offer", sdp=session.offer)
        if why := self._send(session, encode(message), session.called.id):
            raise RequestError(503, "Service Unavailable", why)

    def _send(self, session: WhipSession, body: bytes, to: int) -> str | None:
        """Tell a peer something; why that was not possible."""
        try:
            pending = self._hub.send(session.member, Relayed(session.member.id, body), to)
        except (NoSuchMember, MailboxFull) as failure:
            return _failed(session, failure)
        if pending is not None:
            pending.then(partial(_settled, session))
        return None

    async def _until_answered(self, exchange: HttpExchange, session: WhipSession) -> bool:
        """Wait for the answer and its candidates; False if the client has gone."""
        name = session.called.name
        deadline = trio.current_time() + ANSWER_SECONDS
        if not await self._until(exchange, session, lambda: session.answer is not None, deadline):
            return False
        if session.ended is not None:
            raise RequestError(503, "Service Unavailable", session.ended)
        if session.answer is None:
            raise RequestError(504, "Gateway Timeout", f"{name} does not answer.")
        deadline = trio.current_time() + CANDIDATE_SECONDS
        return await self._until(exchange, session, lambda: session.is_complete, deadline)

    async def _until(
        self,
        exchange: HttpExchange,
        session: WhipSession,
        is_done: Callable[[], bool],
        deadline: float,
    ) -> bool:
        """Wait until this is so, or it is too late; False if the client has gone."""
        while not is_done() and session.ended is None and trio.current_time() < deadline:
            if self._context.closing.is_set():
                raise RequestError(503, "Service Unavailable", "The server ends.")
            scope = self._waiting[session] = trio.CancelScope(deadline=deadline)
            try:
                if not await exchange.wait(scope):
                    return False
            finally:
                del self._waiting[session]
                if session.ended is not None:
                    # Somebody has to look after it, whatever becomes of this request.
                    self._news[session] = None
        return True

    def _created(self, session: WhipSession, name: str) -> Response:
        extra = {
            # Relative to the endpoint (RFC 3986, section 5.2), wherever a proxy has put that.
            "Location": f"{quote(name, safe='')}/{session.key}",
            "ETag": session.etag,
            "Accept-Patch": FRAGMENT,
        }
        if links := format_links(self._ice_links(session)):
            extra["Link"] = links
        body = session.whole_answer.encode("utf-8", "surrogateescape")
        return Response(201, "Created", body, content_type=SDP, extra=extra, cors=CORS)

    def _ice_links(self, session: WhipSession) -> list[IceLink]:
        if self._turn is None:
            return []
        issued = self._turn.issue(world().time(), str(session.member.id))
        return [
            IceLink(url, server.get("username"), server.get("credential"))
            for server in issued
            for url in server["urls"]
        ]

    async def _patch(self, exchange: HttpExchange, session: WhipSession) -> None:
        request = exchange.request
        if not session.bucket.take(1, trio.current_time()):
            raise RequestError(
                429, "Too Many Requests", "A session may not trickle so fast.",
                limit="messages_per_second",
            )  # fmt: skip
        text = body(request, FRAGMENT)
        try:
            fragment = parse_fragment(text)
        except NegotiationError as error:
            raise RequestError(400, "Bad Request", sentence(error)) from None
        matched = request.headers.get("if-match", "").strip()
        is_current = fragment.ufrag == credentials_of(session.offer)[0]
        if not matched:
            # RFC 6585, section 3
            why = "A PATCH says in If-Match which ETag it is for, or * to restart ICE."
            raise RequestError(428, "Precondition Required", why)
        if matched == "*" and not is_current:
            await self._restart(exchange, session, fragment)
            return
        if matched not in ("*", session.etag):
            why = f"If-Match is not the session's ETag, which is {session.etag}."
            raise Told(412, "Precondition Failed", why, etag=session.etag)
        if not is_current:
            raise RequestError(409, "Conflict", "The candidates are of another ICE generation.")
        self._trickle(session, fragment.candidates)
        exchange.respond(Response(204, "No Content", content_type=None, cors=CORS))

    def _trickle(self, session: WhipSession, candidates: Sequence[IceCandidate]) -> None:
        for candidate in candidates:
            if why := self._send(session, encode(candidate), session.called.id):
                raise RequestError(503, "Service Unavailable", why)

    async def _restart(
        self, exchange: HttpExchange, session: WhipSession, fragment: Fragment
    ) -> None:
        if session.answer is None:
            raise RequestError(409, "Conflict", "Another restart of ICE is under way.")
        before = session.offer, session.answer
        offer = with_credentials(session.offer, fragment.ufrag, fragment.password)
        session.begin_restart(with_candidates(offer, fragment.candidates))
        done = False
        try:
            self._offer(session)
            if not await self._until_answered(exchange, session):
                return
            done = True
        finally:
            if not done and session.answer is None:
                session.offer, session.answer = before
        session.generation += 1
        self._sessions.note(session)
        ufrag, password = credentials_of(session.whole_answer)
        answer = Fragment(ufrag, password, fragment_candidates(session))
        extra = {"ETag": session.etag}
        body = format_fragment(answer).encode()
        exchange.respond(Response(200, "OK", body, content_type=FRAGMENT, extra=extra, cors=CORS))

    def _hang_up(self, session: WhipSession, why: str) -> None:
        """End a session, and tell the peer that was called."""
        if session.ended is None:
            session.end(why)
            self._send(session, BYE, session.called.id)
        if session.member.present:
            self._sessions.leave(session)
        self._news.pop(session, None)

    def _log(self, exchange: HttpExchange, session: WhipSession | None = None) -> dict[str, object]:
        """What a record is about."""
        log: dict[str, object] = {"connection": exchange.number, "address": exchange.address}
        if session is None:
            return log
        member = session.member
        return log | {"peer": member.id, "room": member.room, "peer_name": member.name}


def _failed(session: WhipSession, failure: SendFailure) -> str:
    if isinstance(failure, MailboxFull):
        return f"Too much waits for {session.called.name} already."
    return f"{session.called.name} has left the server."


def _settled(session: WhipSession, failure: SendFailure | None) -> None:
    if failure is not None:
        session.end(_failed(session, failure))
