"""Connections of a native session: what is said on them, and why each of them ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

import trio

from ..tasks import Changes
from ..text import one_line
from ..wire import native as protocol
from ..wire.close_codes import FINAL, REASONS, CloseCode
from ..wire.native import SUBPROTOCOL
from ..wire.rate import TokenBucket
from ..wire.session import ACK_SECONDS, SessionFault
from . import reconnecting
from .address import Servers
from .client_session import LEAVE, ClientSession
from .reconnecting import ConnectionEnd, ConnectionHandler
from .websocket import ClientWebSocket, WebSocketLost

logger = logging.getLogger("trio_rtc.signaling")

PING_SECONDS = 5.0
PONG_SECONDS = 5.0
"""How often the server is asked for a sign of life, and how long it may take for that.

A call that is lost needs signaling to look for another way, and has 15 s for both.
"""


TAKE_BACK_SECONDS = 0.5
"""How long it may take to send that a hello is taken back."""


class NativeConnectionHandler(ConnectionHandler):
    """Says what a session has to say on the connection that there is.

    Args:
        receive: called with each message of the server that is new.
        changes: notified of whatever comes in; to be notified when there is something to send.
    """

    def __init__(
        self,
        servers: Servers,
        session: ClientSession,
        receive: Callable[[protocol.FromServer], None],
        changes: Changes,
        on_end: Callable[[ConnectionEnd], None],
    ):
        self._servers = servers
        self._session = session
        self._receive = receive
        self._changes = changes
        self._on_end = on_end
        self._bucket: TokenBucket | None = None

    @property
    def answer_seconds(self) -> float:
        return self._servers.patience or reconnecting.ANSWER_SECONDS

    @property
    def pong_seconds(self) -> float:
        return PONG_SECONDS

    async def url(self) -> str:
        return self._servers.current

    async def until_ping(self) -> None:
        await trio.sleep(PING_SECONDS)

    def not_opened(self, lost: WebSocketLost) -> ConnectionEnd:
        """Whatever answers now says nothing about a session that has been opened."""
        if lost.status is None:
            return ConnectionEnd(str(lost))
        refusal = None if lost.answer is None else lost.answer.refusal
        return ConnectionEnd(str(lost), refusal or "not_signaling_server")

    def retry_seconds(self, *, lasted: bool) -> float | None:
        """As long as the server keeps the session, from when it has last accepted it."""
        session = self._session
        if session.welcome is None or not session.ready or session.is_stuck:
            return None
        return session.welcome.resume_seconds

    def ended(self, end: ConnectionEnd) -> None:
        if self._session.ready:
            self._servers.let_in()
        if not self._session.ready or end.code == REASONS[CloseCode.GOING_AWAY]:
            # It has not let us in, or is going: perhaps another one does.
            self._servers.turn()
        self._session.disconnected()
        self._on_end(end)

    async def converse(self, websocket: ClientWebSocket) -> ConnectionEnd:
        if websocket.subprotocol != SUBPROTOCOL:
            return ConnectionEnd(
                "it speaks WebSocket, but not this protocol", "not_signaling_server"
            )
        self._session.connected()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, websocket)
                nursery.start_soon(self._acknowledge)
                end = await self._read(websocket)
                nursery.cancel_scope.cancel()
        finally:
            if self._session.welcome is None:
                await self._take_back(websocket)
        return end

    async def _take_back(self, websocket: ClientWebSocket) -> None:
        """Leave before there is a welcome: what comes of the hello would be nobody's."""
        with trio.move_on_after(TAKE_BACK_SECONDS, shield=True), suppress(WebSocketLost):
            await websocket.send(LEAVE.decode())

    async def _read(self, websocket: ClientWebSocket) -> ConnectionEnd:
        said: str | None = None
        with trio.move_on_after(self.answer_seconds) as scope:
            try:
                while True:
                    message = self._decode(await websocket.receive())
                    if isinstance(message, protocol.Error):
                        said = one_line(message.message)
                        if self._session.ready:
                            logger.warning("the server says: %s (%s)", said, message.code)
                    elif message is not None:
                        self._take(message)
                    if self._session.ready:
                        scope.deadline = float("inf")
                    self._changes.notify()
            except WebSocketLost as lost:
                reason = REASONS.get(lost.code, "server_unreachable")
                return ConnectionEnd(said or str(lost), reason, final=self._is_final(lost.code))
            except (protocol.BadMessage, SessionFault) as fault:
                why = f"the server does not keep to the protocol: {fault}"
                return ConnectionEnd(why, REASONS[CloseCode.BAD_MESSAGE], final=True)
        return ConnectionEnd(f"the server said nothing for {self.answer_seconds:.0f} s")

    def _is_final(self, code: int) -> bool:
        """Whether no other connection would fare better after this close code."""
        if code == CloseCode.LEFT:
            return self._session.leaving
        if code == CloseCode.NO_PLACE and not self._session.ready:
            return self._servers.all_refuse()
        return code in FINAL

    def _decode(self, text: str | bytes) -> protocol.FromServer | None:
        if isinstance(text, bytes):
            raise protocol.BadMessage("a message is binary")
        return self._session.receive(text)

    def _take(self, message: protocol.FromServer) -> None:
        if isinstance(message, protocol.Welcome):
            # Half of what the server lets through at once: what was held up on its way arrives
            # in a burst that is larger than it was here.
            burst = max(1.0, message.messages_burst / 2)
            self._bucket = TokenBucket(message.messages_per_second, burst, trio.current_time())
        self._receive(message)

    async def _write(self, websocket: ClientWebSocket) -> None:
        # The reader finds out too that the connection has been closed, and why.
        with suppress(WebSocketLost):
            while True:
                await self._changes.wait_until(lambda: bool(self._session.to_send))
                message = self._session.to_send.popleft()
                if self._bucket is not None:
                    await self._keep_to_the_rate(self._bucket)
                await websocket.send(message.decode())
                self._session.written(message)

    async def _keep_to_the_rate(self, bucket: TokenBucket) -> None:
        now = trio.current_time()
        if not bucket.take(1, now):
            await trio.sleep(bucket.delay(now))
            bucket.take(1, trio.current_time())

    async def _acknowledge(self) -> None:
        while True:
            await trio.sleep(ACK_SECONDS)
            self._session.acknowledge()
            self._changes.notify()
