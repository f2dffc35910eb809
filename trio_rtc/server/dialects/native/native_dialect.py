"""The native protocol, ``trio-rtc.v1``, as the server speaks it."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import replace
from typing import Final, cast

import msgspec
import trio

from ....wire import native as protocol
from ....wire.names import clean_text, composed, problem_of
from ....wire.native import CloseCode
from ....wire.session import ACK_SECONDS, SessionFault
from ...authorize import Admission, JoinRequest, NotAuthorized
from ...chores import Turn
from ...context import Context
from ...http.connection import Exchange
from ...http.requests import RequestError
from ...http.responses import Response
from ...hub.expiry import Expiry
from ...hub.hub import Hub, HubFull, MailboxFull, Member, NoSuchMember, Relayed
from ...turn import TurnCredentials
from ...websocket.frames import Receiver, WebSocket
from .native_ice_servers import IceServers
from .native_member import Session, SessionLink, printable
from .native_tokens import Tokens, seconds_left

logger = logging.getLogger("trio_rtc.server")

PROTOCOL: Final = "native"

#: What a client numbers. As `|` of types it would be made anew with each message.
_NUMBERED: Final = (protocol.Send, protocol.Refuse)

EXPIRED: Final = "The token has expired."


class _Refused(Exception):
    """A client does not get what it asks for: it is told why, and its connection is closed."""

    def __init__(self, close_code: int, message: str, code: str | None = None):
        super().__init__(message)
        self.close_code = close_code
        self.code = code or protocol.REASONS[close_code]


class NativeDialect:
    """Connects native clients with a hub.

    Args:
        turn: what credentials for TURN servers come from, if there are any.
    """

    def __init__(self, hub: Hub, context: Context, turn: TurnCredentials | None = None):
        self._hub = hub
        self._context = context
        # Looked up by a digest: how long that takes tells nothing about a secret.
        self._sessions: dict[bytes, Session] = {}
        self._by_id: dict[int, Session] = {}
        self._disconnected: Expiry[Session] = Expiry(context.limits.resume_seconds)
        self._unacknowledged: Expiry[Session] = Expiry(ACK_SECONDS)
        self._ice_servers = IceServers(turn, self._tell)
        self._tokens = Tokens(context, self._ice_servers.renew)

    def tick(self, now: float) -> bool:
        """Do some of what is due; whether there may be more. To be called once in a second."""
        turn = Turn()
        with self._context.flushes:
            for session in turn.some(self._disconnected.due(now)):
                self._context.statistics.over_limit["resume_seconds"] += 1
                self._hub.leave(session.member)
            for session in turn.some(self._unacknowledged.due(now)):
                session.acknowledge()
            for session in turn.some(self._tokens.expired()):
                self._expire(session)
            for session in turn.some(self._ice_servers.due(now)):
                self._ice_servers.renew(session)
        return turn.is_over

    def _expire(self, session: Session) -> None:
        """The token of a session has ended, and with it the session."""
        code = CloseCode.NOT_AUTHORIZED
        session.farewell = code
        session.say(protocol.Error(code=protocol.REASONS[code], message=EXPIRED))
        self._hub.leave(session.member)

    async def open(self, websocket: WebSocket, exchange: Exchange) -> Receiver | None:
        """Begin with a connection by its first message."""
        log = websocket.log
        try:
            session = await self._open(websocket, exchange)
        except _Refused as refusal:
            logger.info("refused", extra=log | {"why": str(refusal)})
            self._fail(websocket, refusal)
            return None
        if session is None:
            return None
        log |= {"peer": session.member.id, "room": session.member.room}
        logger.info("connected", extra=log | {"peer_name": session.member.name})
        return _Receiver(self, session, websocket)

    async def _open(self, websocket: WebSocket, exchange: Exchange) -> Session | None:
        with trio.move_on_after(self._context.limits.handshake_seconds):
            text = await websocket.receive()
            if text is None:
                return None
            try:
                message = protocol.decode_from_client(text)
            except protocol.BadMessage as error:
                raise self._malformed(str(error)) from None
            if isinstance(message, protocol.Hello):
                return await self._admit(message, websocket, exchange)
            if isinstance(message, protocol.Resume):
                self._check_resume(exchange)
                async with self._context.entrance:
                    return self.resume(message, websocket)
            raise self._malformed("a connection begins with a hello, or a resume")
        self._context.statistics.over_limit["handshake_seconds"] += 1
        raise _Refused(CloseCode.TIMEOUT, "no session was opened in time")

    def _check_resume(self, exchange: Exchange) -> None:
        if not self._context.resumes.take(exchange.party, trio.current_time()):
            self._context.statistics.over_limit["joins_per_second"] += 1
            why = "too many sessions are resumed at once from this address"
            raise _Refused(CloseCode.TOO_FAST, why, code="joins_per_second")

    async def _admit(
        self, hello: protocol.Hello, websocket: WebSocket, exchange: Exchange
    ) -> Session:
        if problem := problem_of(hello.room, room=True):
            raise self._malformed(f"the name of the room {problem}")
        asked = JoinRequest(
            name=clean_text(hello.name),
            room=composed(hello.room),
            token=hello.token,
            address=exchange.address,
        )
        try:
            admission = await self._context.authorize(asked)
        except NotAuthorized as error:
            self._context.statistics.refused += 1
            code = CloseCode.FORBIDDEN if error.forbidden else CloseCode.NOT_AUTHORIZED
            raise _Refused(code, str(error)) from None
        async with self._context.entrance:
            if self._context.closing.is_set():
                raise _Refused(CloseCode.GOING_AWAY, "the server ends")
            session = self.join(admission, websocket, exchange.party)
        # Whoever shows another token later shows that one: this one may be long.
        session.asked = replace(asked, token=None)
        return session

    def join(self, admission: Admission, link: SessionLink, party: str) -> Session:
        """Open a session."""
        context = self._context
        session = Session(
            party, context.limits, context.flushes, context.memory.open(), self._removed
        )
        try:
            context.check_join(party, trio.current_time())
            session.member = self._hub.join(clean_text(admission.name), session, admission.room)
        except HubFull as full:
            context.statistics.over_limit[full.limit] += 1
            raise _Refused(
                CloseCode.NO_PLACE, "there is no place for another peer", code=full.limit
            ) from None
        self._sessions[_digest(session.secret)] = session
        self._by_id[session.member.id] = session
        self._tokens.begin(session, admission)
        context.peers.add(party)
        context.statistics.joined[PROTOCOL] += 1
        context.statistics.peers[PROTOCOL] += 1
        session.open(link, self._welcome(session))
        return session

    def _welcome(self, session: Session) -> protocol.Welcome:
        member, limits = session.member, self._context.limits
        return protocol.Welcome(
            id=member.id,
            name=printable(member.name),
            room=member.room,
            session=session.secret,
            peers=cast(
                "list[protocol.PeerEntry]",
                [msgspec.Raw(other.entry or _entry(other)) for other in self._hub.others(member)],
            ),
            ice_servers=self._ice_servers.issue(session),
            resume_seconds=limits.resume_seconds,
            max_message_bytes=limits.body_bytes,
            messages_per_second=limits.messages_per_second,
            messages_burst=limits.messages_burst,
            mailbox_messages=limits.mailbox_messages,
            mailbox_bytes=limits.mailbox_bytes,
            token_seconds=seconds_left(session),
        )

    def resume(self, message: protocol.Resume, link: SessionLink) -> Session:
        """Go on with a session on another connection."""
        session = self._sessions.get(_digest(message.session))
        if session is not None and (message.attempt or 0) <= session.attempt and session.attempt:
            self._context.statistics.late += 1
            raise _Refused(CloseCode.SUPERSEDED, "the session was resumed on a later connection")
        if session is None or message.received < session.outbox.acknowledged:
            raise _Refused(CloseCode.SESSION_LOST, "there is no such session any more")
        if session.until <= time.time():
            self._expire(session)
            raise _Refused(CloseCode.NOT_AUTHORIZED, EXPIRED)
        self._acknowledge(session, message.received)
        session.attempt = message.attempt or 0
        self._context.statistics.resumed += 1
        self._disconnected.end(session)
        self._unacknowledged.end(session)
        session.resume(link)
        return session

    async def leave(self, exchange: Exchange) -> None:
        """Take the last messages of a client that has no connection left: one on a line of a body.

        A page that goes can send nothing else: browsers close its WebSockets first, or may.
        """
        first, *rest = exchange.request.body.decode(errors="replace").split("\n")
        try:
            with self._context.flushes:
                self._take_all(self._resumed(first), rest)
        except protocol.BadMessage as error:
            self._context.statistics.malformed += 1
            await exchange.refuse(RequestError(400, "Bad Request", str(error)))
        except _Refused as refusal:
            status = (404, "Not Found") if refusal.code == "session_lost" else (400, "Bad Request")
            await exchange.refuse(RequestError(*status, str(refusal)))
        else:
            await exchange.respond(Response(200, "OK"))

    def _resumed(self, text: str) -> Session:
        message = protocol.decode_from_client(text)
        if not isinstance(message, protocol.Resume):
            raise self._malformed("it begins with a resume")
        session = self._sessions.get(_digest(message.session))
        if session is None:
            raise _Refused(CloseCode.SESSION_LOST, "there is no such session any more")
        return session

    def _take_all(self, session: Session, messages: list[str]) -> None:
        for text in messages:
            if not session.member.present:
                return
            if not session.bucket.take(1, trio.current_time()):
                raise self._malformed("it is too much at once")
            self._take(session, text, protocol.decode_from_client(text))

    def detach(self, session: Session, link: SessionLink) -> None:
        """A connection has ended; the session waits for another."""
        if session.link is link:
            session.detach()
            if session.member.present:
                self._disconnected.begin(session, trio.current_time())

    def _removed(self, session: Session) -> None:
        del self._sessions[_digest(session.secret)], self._by_id[session.member.id]
        for expiry in (self._disconnected, self._unacknowledged, self._ice_servers, self._tokens):
            expiry.end(session)
        self._context.peers.remove(session.party)
        self._context.statistics.peers[PROTOCOL] -= 1
        logger.info("left", extra={"peer": session.member.id, "room": session.member.room})

    def hear(self, session: Session, link: SessionLink, messages: list[str]) -> None:
        """Do what a client says, as long as its connection is the session's."""
        for text in messages:
            if session.link is not link or not link.is_open:
                return
            try:
                self._take(session, text, protocol.decode_from_client(text))
            except protocol.UnknownType as error:
                self._context.statistics.malformed += 1
                link.send(protocol.encode(protocol.Error(code="unknown_type", message=f"{error}")))
                self._context.flushes.mark(link)
            except protocol.BadMessage as error:
                self._fail(link, self._malformed(str(error)))
            except _Refused as refusal:
                self._fail(link, refusal)

    def _take(self, session: Session, text: str, message: protocol.FromClient) -> None:
        if isinstance(message, _NUMBERED):
            try:
                is_new = session.inbox.take(message.seq, len(text))
            except SessionFault as fault:
                raise self._malformed(str(fault), code="sequence_gap") from None
            if not is_new:
                pass
            elif isinstance(message, protocol.Send):
                self._relay(session, message)
            else:
                self._refuse(session, message)
            if session.inbox.ack_due or isinstance(message, protocol.Refuse):
                self._unacknowledged.end(session)
                session.acknowledge()
            elif session not in self._unacknowledged:
                self._unacknowledged.begin(session, trio.current_time())
        elif isinstance(message, protocol.Ack):
            self._acknowledge(session, message.received)
        elif isinstance(message, protocol.Token):
            self._tokens.show(session, message.token)
        elif isinstance(message, protocol.Ping):
            session.say(protocol.Pong())
        elif isinstance(message, protocol.Leave):
            session.farewell = CloseCode.LEFT
            self._hub.leave(session.member)
        else:
            raise self._malformed("the session is open already")

    def _relay(self, session: Session, message: protocol.Send) -> None:
        relayed = Relayed(session.member.id, message.body, message.seq)
        try:
            self._hub.send(session.member, relayed, message.to)
        except NoSuchMember:
            code, why = "unknown_peer", f"no peer {message.to} is here"
        except MailboxFull:
            code, why = "mailbox_full", f"too much waits for peer {message.to} already"
        else:
            return
        self._tell_failed(session, message.seq, message.to, code, why)

    def _refuse(self, session: Session, message: protocol.Refuse) -> None:
        """Tell the senders of messages that their receiver has no place for them."""
        for seq in message.of:
            try:
                origin = session.refused(seq)
            except SessionFault as fault:
                raise self._malformed(str(fault), code="sequence_gap") from None
            if origin is None:
                continue
            sender, number = origin
            self._context.statistics.over_limit["mailbox_messages"] += 1
            if (other := self._by_id.get(sender)) is not None:
                to = session.member.id
                why = f"too much waits for peer {to} already"
                self._tell_failed(other, number, to, "mailbox_full", why)

    def _tell_failed(self, session: Session, of: int, to: int, code: str, why: str) -> None:
        seq = session.outbox.next
        self._tell(session, protocol.Failed(seq=seq, of=of, to=to, code=code, message=why))

    def _tell(self, session: Session, message: protocol.Numbered) -> None:
        try:
            session.tell(message)
        except MailboxFull as full:
            self._context.statistics.over_limit[full.limit] += 1
            self._hub.leave(session.member)

    def _acknowledge(self, session: Session, received: int) -> None:
        try:
            session.acknowledged(received)
        except SessionFault as fault:
            raise self._malformed(str(fault), code="sequence_gap") from None

    def _malformed(self, why: str, *, code: str | None = None) -> _Refused:
        self._context.statistics.malformed += 1
        return _Refused(CloseCode.BAD_MESSAGE, why, code)

    def _fail(self, link: SessionLink, refusal: _Refused) -> None:
        link.send(protocol.encode(protocol.Error(code=refusal.code, message=str(refusal))))
        link.fail(refusal.close_code, protocol.REASONS[refusal.close_code])


class _Receiver:
    """What comes on a connection of a session."""

    __slots__ = ("_dialect", "_session", "_websocket")

    def __init__(self, dialect: NativeDialect, session: Session, websocket: WebSocket):
        self._dialect = dialect
        self._session = session
        self._websocket = websocket

    def hear(self, messages: list[str]) -> None:
        self._dialect.hear(self._session, self._websocket, messages)

    def disconnected(self) -> None:
        logger.info("disconnected", extra=self._websocket.log)
        self._dialect.detach(self._session, self._websocket)


def _entry(member: Member) -> bytes:
    """A member in a list of peers: in a large room it is in many."""
    member.entry = protocol.encode(protocol.PeerEntry(member.id, printable(member.name)))
    return member.entry


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
