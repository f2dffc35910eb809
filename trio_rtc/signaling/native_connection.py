"""One connection of a native session: opened, served to its end, and why it ended."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import trio

from ..tasks import Changes
from ..text import one_line
from ..wire import native as protocol
from ..wire.native import REASONS, SUBPROTOCOL, CloseCode
from ..wire.rate import TokenBucket
from ..wire.session import ACK_SECONDS, SessionFault
from .client_session import ClientSession
from .websocket import ClientWebSocket, WebSocketLost, open_websocket

logger = logging.getLogger("trio_rtc.signaling")

ANSWER_SECONDS = 10.0
"""How long a server may take to accept a connection, and then to answer the first message."""

PING_SECONDS = 5.0
PONG_SECONDS = 5.0
"""How often the server is asked for a sign of life, and how long it may take for that.

A call that is lost needs signaling to look for another way, and has 15 s for both.
"""

#: What the server sends may be longer in JSON than it was on its way there.
LARGEST_MESSAGE = 16 * 1024 * 1024

#: Closes after which another connection would fare no better. 1000 is the end for one who leaves;
#: otherwise something on the way has closed in order.
FINAL = {
    CloseCode.BAD_MESSAGE,
    CloseCode.NOT_AUTHORIZED,
    CloseCode.FORBIDDEN,
    CloseCode.SESSION_LOST,
    CloseCode.SUPERSEDED,
    CloseCode.NO_PLACE,
}


@dataclass(frozen=True)
class NativeConnectionEnd:
    """Why a connection has ended, or why there was none.

    Attributes:
        why: in words, on one line.
        code: what this is for a session that has not been opened yet.
        final: whether it ends the session.
    """

    why: str
    code: str = "server_unreachable"
    final: bool = False


class Connector:
    """Opens connections for a session, one after the other.

    Args:
        hear: called with each message of the server that is new.
        changes: notified of whatever comes in; to be notified when there is something to send.
    """

    def __init__(
        self,
        url: str,
        ssl_context: ssl.SSLContext | None,
        session: ClientSession,
        receive: Callable[[protocol.FromServer], None],
        changes: Changes,
    ):
        self._url = url
        self._ssl_context = ssl_context
        self._session = session
        self._receive = receive
        self._changes = changes
        self._bucket: TokenBucket | None = None

    async def connect(self) -> NativeConnectionEnd:
        """Open a connection and serve it to its end."""
        try:
            async with open_websocket(
                self._url,
                subprotocols=[SUBPROTOCOL],
                timeout=ANSWER_SECONDS,
                max_message_bytes=LARGEST_MESSAGE,
                ssl_context=self._ssl_context,
            ) as websocket:
                return await self._serve(websocket)
        except WebSocketLost as lost:
            if lost.status is None:
                return NativeConnectionEnd(str(lost))
            refusal = None if lost.answer is None else lost.answer.refusal
            return NativeConnectionEnd(str(lost), refusal or "not_signaling_server")

    async def _serve(self, websocket: ClientWebSocket) -> NativeConnectionEnd:
        if websocket.subprotocol != SUBPROTOCOL:
            return NativeConnectionEnd(
                "it speaks WebSocket, but not this protocol", "not_signaling_server"
            )
        self._session.connected()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, websocket)
            nursery.start_soon(self._acknowledge)
            nursery.start_soon(self._see_whether_alive, websocket, nursery.cancel_scope)
            over = await self._read(websocket)
            nursery.cancel_scope.cancel()
            return over
        return NativeConnectionEnd(f"the server gave no sign of life for {PONG_SECONDS:.0f} s")

    async def _read(self, websocket: ClientWebSocket) -> NativeConnectionEnd:
        said: str | None = None
        with trio.move_on_after(ANSWER_SECONDS) as scope:
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
                left = lost.code == CloseCode.LEFT and self._session.leaving
                return NativeConnectionEnd(
                    said or str(lost), reason, final=left or lost.code in FINAL
                )
            except (protocol.BadMessage, SessionFault) as fault:
                why = f"the server does not keep to the protocol: {fault}"
                return NativeConnectionEnd(why, REASONS[CloseCode.BAD_MESSAGE], final=True)
        return NativeConnectionEnd(f"the server said nothing for {ANSWER_SECONDS:.0f} s")

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

    async def _see_whether_alive(
        self, websocket: ClientWebSocket, connection: trio.CancelScope
    ) -> None:
        with suppress(WebSocketLost):
            while True:
                await trio.sleep(PING_SECONDS)
                with trio.move_on_after(PONG_SECONDS) as patience:
                    await websocket.ping()
                if patience.cancelled_caught:
                    connection.cancel()
