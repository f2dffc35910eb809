"""The native protocol, ``trio-rtc.v1``, as the server speaks it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final, cast

import msgspec
import trio

from ....wire import native as protocol
from ....wire.close_codes import REASONS, CloseCode
from ....wire.names import clean_text, composed, problem_of
from ....wire.native import SUBPROTOCOL
from ....wire.session import ACK_SECONDS, SessionFault
from ....world import world
from ...authorize import Admission, JoinRequest
from ...context import Context
from ...http.connection import HttpExchange
from ...http.requests import RequestError
from ...http.responses import Response
from ...hub.engine import HubEngine, SendFailure
from ...hub.expiry import Expiry
from ...hub.hub import MailboxFull, Member, NoSuchMember, Relayed
from ...hub.mail import FULL, UNKNOWN
from ...hub.member_link import MemberLink
from ...scheduling.steps import Turn
from ...turn import TurnCredentials
from ...websocket.frames import WebSocket
from ..dialect import ANY_PATH, Endpoints, WebSocketEndpoint
from ..membership import Membership, admit, entering
from ..refusal import Refused
from ..websocket_dialect import WebSocketDialect
from .native_ice_servers import IceServerIssuer
from .native_member import Session, SessionLink, digest, printable
from .native_tokens import Tokens, seconds_left
from .native_transfer import NativeTransfer

PROTOCOL: Final = "native"

#: What a client numbers. As `|` of types it would be made anew with each message.
_NUMBERED: Final = (protocol.Send, protocol.Refuse)

EXPIRED: Final = "The token has expired."

HELD_MESSAGES: Final = 1024
HELD_BYTES: Final = 4 * 1024 * 1024
"""How much of one client may wait for an engine that does not answer. Ours send less at once."""


class NativeDialect(WebSocketDialect[Session]):
    """Connects native clients with a hub.

    Args:
        turn: what credentials for TURN servers come from, if there are any.
    """

    def __init__(self, hub: HubEngine, context: Context, turn: TurnCredentials | None = None):
        self._hub = hub
        self._context = context
        self._sessions: Membership[Session] = Membership(
            PROTOCOL, hub, context, self._removed, NativeTransfer(context, self._wait_for)
        )
        self._resumable: Expiry[Session] = Expiry(context.limits.resume_seconds)
        self._unacknowledged: Expiry[Session] = Expiry(ACK_SECONDS)
        self._ice_servers = IceServerIssuer(turn, self._tell)
        self._tokens = Tokens(context, self._sessions, self._ice_servers.renew)

    @property
    def endpoints(self) -> Endpoints:
        """A WebSocket anywhere, and the last words of those who have none left."""
        return Endpoints(
            websockets={ANY_PATH: WebSocketEndpoint(self.open, [SUBPROTOCOL])},
            posts={"/leave": self.leave},
        )

    def tick(self, now: float) -> bool:
        """Do some of what is due; whether there may be more. To be called once in a second."""
        turn = Turn()
        with self._context.flush_batch:
            for session in turn.some(self._resumable.due(now)):
                self._context.statistics.over_limit["resume_seconds"] += 1
                self._hub.leave(session.member)
            for session in turn.some(self._unacknowledged.due(now)):
                # What the engine does not have yet is acknowledged when it has.
                if session.inbox.ack_pending:
                    session.acknowledge()
            for session in self._sessions.expired(turn):
                self._expire(session)
            for session in turn.some(self._ice_servers.due(now)):
                self._ice_servers.renew(session)
        return turn.is_over

    def _expire(self, session: Session) -> None:
        """The token of a session has ended, and with it the session."""
        code = CloseCode.NOT_AUTHORIZED
        session.farewell = code
        session.say(protocol.Error(code=REASONS[code], message=EXPIRED))
        self._hub.leave(session.member)

    async def _admit(self, websocket: WebSocket, exchange: HttpExchange) -> Session | None:
        with trio.move_on_after(self._context.limits.handshake_seconds):
            text = await websocket.receive()
            if text is None:
                return None
            try:
                message = protocol.decode_from_client(text)
            except protocol.BadMessage as error:
                raise self._malformed(str(error)) from None
            if isinstance(message, protocol.Hello):
                return await self._welcome_new(message, websocket, exchange)
            if isinstance(message, protocol.Resume):
                self._check_resume(exchange)
                async with entering(self._context, exchange.client_network):
                    return await self.resume(message, websocket)
            raise self._malformed("a connection begins with a hello, or a resume")
        self._context.statistics.over_limit["handshake_seconds"] += 1
        raise Refused(CloseCode.TIMEOUT, "no session was opened in time")

    def _check_resume(self, exchange: HttpExchange) -> None:
        if not self._context.resumes.take(exchange.client_network, trio.current_time()):
            self._context.statistics.over_limit["joins_per_second"] += 1
            why = "too many sessions are resumed at once from this address"
            raise Refused(CloseCode.TOO_FAST, why, code="joins_per_second")

    async def _welcome_new(
        self, hello: protocol.Hello, websocket: WebSocket, exchange: HttpExchange
    ) -> Session:
        if problem := problem_of(hello.room, room=True):
            raise self._malformed(f"the name of the room {problem}")
        asked = JoinRequest(
            name=clean_text(hello.name),
            room=composed(hello.room),
            token=hello.token,
            address=exchange.address,
        )
        admission = await admit(asked, self._context)
        async with entering(self._context, exchange.client_network):
            # Whoever shows another token later shows that one: this one may be long.
            kept = replace(asked, token=None)
            return await self.join(admission, websocket, exchange.client_network, kept)

    async def join(
        self,
        admission: Admission,
        link: SessionLink,
        client_network: str,
        asked: JoinRequest | None = None,
    ) -> Session:
        """Open a session."""
        context = self._context
        session = Session(
            client_network, context.limits, context.flush_batch, context.memory.open()
        )
        session.until, session.subject = admission.until, admission.subject
        session.asked = asked
        await self._sessions.join(session, session, admission)
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

    async def resume(self, message: protocol.Resume, link: SessionLink) -> Session:
        """Go on with a session on another connection."""
        check = partial(self._check_attempt, message.attempt or 0)
        session = await self._sessions.find(
            digest(message.session), check, message.received, claim=True
        )
        if session is None or message.received < session.outbox.acknowledged:
            raise Refused(CloseCode.SESSION_LOST, "there is no such session any more")
        if session.until <= world().time():
            self._expire(session)
            raise Refused(CloseCode.NOT_AUTHORIZED, EXPIRED)
        self._acknowledge(session, message.received)
        self._context.statistics.resumed += 1
        self._resumable.end(session)
        self._unacknowledged.end(session)
        session.resume(link)
        return session

    def _check_attempt(self, attempt: int, session: Session) -> None:
        if attempt <= session.attempt and session.attempt:
            self._context.statistics.late += 1
            raise Refused(CloseCode.SUPERSEDED, "the session was resumed on a later connection")
        session.attempt = attempt

    async def leave(self, exchange: HttpExchange) -> None:
        """Take the last messages of a client that has no connection left: one on a line of a body.

        A page that goes can send nothing else: browsers close its WebSockets first, or may.
        """
        first, *rest = exchange.request.body.decode(errors="replace").split("\n")
        try:
            session = await self._resumed(first)
            with self._context.flush_batch:
                self._take_all(session, rest)
        except protocol.BadMessage as error:
            self._context.statistics.malformed += 1
            exchange.refuse(RequestError(400, "Bad Request", str(error)))
        except Refused as refusal:
            exchange.refuse(refusal.over_http())
        else:
            exchange.respond(Response(200, "OK"))

    async def _resumed(self, text: str) -> Session:
        message = protocol.decode_from_client(text)
        if not isinstance(message, protocol.Resume):
            raise self._malformed("it begins with a resume")
        session = await self._sessions.find(digest(message.session))
        if session is None:
            raise Refused(CloseCode.SESSION_LOST, "there is no such session any more")
        return session

    def _take_all(self, session: Session, messages: list[str]) -> None:
        for text in messages:
            if not session.member.present:
                return
            if not session.bucket.take(1, trio.current_time()):
                raise self._malformed("it is too much at once")
            self._do(session, protocol.decode_from_client(text), len(text))

    def _disconnected(self, peer: Session) -> None:
        peer.detach()
        if peer.member.present:
            self._wait_for(peer)

    def _wait_for(self, session: Session) -> None:
        """Let a session wait for another connection."""
        self._resumable.begin(session, trio.current_time())

    def _removed(self, session: Session) -> None:
        for expiry in (self._resumable, self._unacknowledged, self._ice_servers):
            expiry.end(session)

    def _take(self, peer: Session, text: str) -> None:
        try:
            message = protocol.decode_from_client(text)
        except protocol.UnknownType as error:
            self._context.statistics.malformed += 1
            peer.say(protocol.Error(code="unknown_type", message=f"{error}"))
        except protocol.BadMessage as error:
            raise self._malformed(str(error)) from None
        else:
            self._do(peer, message, len(text))

    def _do(self, session: Session, message: protocol.FromClient, size: int) -> None:
        if not isinstance(message, _NUMBERED):
            self._do_unnumbered(session, message)
            return
        inbox = session.inbox
        # Seldom is anything held.
        if inbox.held_bytes and (inbox.held >= HELD_MESSAGES or inbox.held_bytes >= HELD_BYTES):
            # It is sent again on another connection: nothing of it is acknowledged.
            raise Refused(CloseCode.TRY_AGAIN_LATER, "what you have sent has no place yet")
        try:
            is_new = inbox.take(message.seq, size)
        except SessionFault as fault:
            raise self._malformed(str(fault), code="sequence_gap") from None
        if not is_new:
            pass
        elif isinstance(message, protocol.Send):
            self._relay(session, message, size)
        else:
            self._tell_refused(session, message, size)
        self._acknowledge_what_came(session, now=isinstance(message, protocol.Refuse))

    def _do_unnumbered(self, session: Session, message: protocol.FromClient) -> None:
        if isinstance(message, protocol.Ack):
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

    def _relay(self, session: Session, message: protocol.Send, size: int) -> None:
        relayed = Relayed(session.member.id, message.body, message.seq)
        try:
            pending = self._hub.send(session.member, relayed, message.to)
        except (NoSuchMember, MailboxFull) as failure:
            self._notify_failed(session, message.seq, message.to, failure)
            return
        if pending is not None:
            # It is acknowledged when it has its place.
            session.inbox.hold(message.seq, size)
            pending.then(partial(self._settled, session, message.seq, message.to))

    def _settled(
        self,
        session: Session,
        seq: int,
        to: int,
        failure: SendFailure | None,
        *,
        now: bool = False,
    ) -> None:
        if not session.member.present:
            return
        with self._context.flush_batch:
            session.inbox.release(seq)
            if failure is not None:
                self._notify_failed(session, seq, to, failure)
            self._acknowledge_what_came(session, now=now)

    def _tell_refused(self, session: Session, message: protocol.Refuse, size: int) -> None:
        """Tell the senders of messages that their receiver has no place for them."""
        refused: list[tuple[int, int]] = []
        for seq in message.of:
            try:
                origin = session.refused(seq)
            except SessionFault as fault:
                raise self._malformed(str(fault), code="sequence_gap") from None
            if origin is None:
                continue
            self._context.statistics.over_limit["mailbox_messages"] += 1
            refused.append(origin)
        pending = self._hub.refuse(session.member, message.seq, refused)
        if pending is not None:
            session.inbox.hold(message.seq, size)
            pending.then(partial(self._settled, session, message.seq, 0, now=True))

    def _notify_failed(self, session: Session, of: int, to: int, failure: SendFailure) -> None:
        code = FULL if isinstance(failure, MailboxFull) else UNKNOWN
        try:
            session.put_failure(of, to, code)
        except MailboxFull as full:
            self._context.statistics.over_limit[full.limit] += 1
            self._hub.leave(session.member)

    def _acknowledge_what_came(self, session: Session, *, now: bool = False) -> None:
        if (now and session.inbox.ack_pending) or session.inbox.ack_due:
            self._unacknowledged.end(session)
            session.acknowledge()
        elif session not in self._unacknowledged:
            self._unacknowledged.begin(session, trio.current_time())

    def _tell(self, session: Session, body: bytes) -> None:
        self._hub.tell(session.member, body)

    def _acknowledge(self, session: Session, received: int) -> None:
        try:
            session.acknowledged(received)
        except SessionFault as fault:
            raise self._malformed(str(fault), code="sequence_gap") from None
        self._hub.acknowledge(session.member, session.outbox.acknowledged)

    def _malformed(self, why: str, *, code: str | None = None) -> Refused:
        self._context.statistics.malformed += 1
        return Refused(CloseCode.BAD_MESSAGE, why, code)

    def _refuse(self, link: MemberLink, refusal: Refused) -> None:
        link.send(protocol.encode(protocol.Error(code=refusal.code, message=str(refusal))))
        link.fail(refusal.close_code, REASONS[refusal.close_code])


def _entry(member: Member) -> bytes:
    """A member in a list of peers: in a large room it is in many."""
    spoken = protocol.told_protocol(member.protocol)
    member.entry = protocol.encode(protocol.PeerEntry(member.id, printable(member.name), spoken))
    return member.entry
