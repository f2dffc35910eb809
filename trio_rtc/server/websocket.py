"""WebSocket (RFC 6455) as a server speaks it, over any stream.

The protocol is `websockets`' own, which does no I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio
from websockets.datastructures import Headers
from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as HandshakeRequest
from websockets.protocol import Event, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from ..rate import TokenBucket
from ..tasks import open_background_nursery
from .connection import Exchange, linger
from .context import Context
from .requests import Request, RequestError
from .responses import Response, error_response
from .sending import SendBuffer

logger = logging.getLogger("trio_rtc.server")

VERSION: Final = "13"

RECEIVE_BYTES = 16 * 1024
CLOSE_SECONDS = 2.0
"""How long a client may take to close its side."""

#: Frames may have no content, so that few bytes are many of them: parsing stops after so many
#: bytes to see whether they come too fast.
_PARSE_BYTES = 2 * 1024

#: The reasons of the closes that are not up to a dialect.
REASONS: Final[dict[int, str]] = {
    CloseCode.PROTOCOL_ERROR: "protocol_error",
    CloseCode.UNSUPPORTED_DATA: "not_text",
    CloseCode.INVALID_DATA: "not_utf8",
    CloseCode.MESSAGE_TOO_BIG: "message_too_big",
    CloseCode.INTERNAL_ERROR: "internal_error",
}
TOO_FAST = 4429


class _Protocol(ServerProtocol):
    """It gives reasons that programs can go by."""

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        super().fail(code, REASONS.get(code, reason))


def accept(request: Request, subprotocols: Sequence[str]) -> bytes | Response:
    """Answer an opening handshake: the bytes that open a connection, or a refusal."""
    if request.headers.get("sec-websocket-version", VERSION).strip() != VERSION:
        # RFC 6455, section 4.4
        sentence = f"Only version {VERSION} of WebSocket is spoken here."
        extra = {"Upgrade": "websocket", "Sec-WebSocket-Version": VERSION}
        return Response(426, "Upgrade Required", sentence.encode(), extra=extra)
    if request.body:
        return _refusal("the request has a body")
    protocol = ServerProtocol(subprotocols=[Subprotocol(name) for name in subprotocols])
    answer = protocol.accept(
        HandshakeRequest(path=request.path, headers=Headers(request.all_headers))
    )
    if answer.status_code != 101:
        return _refusal(str(protocol.handshake_exc)[:200])
    return answer.serialize()


def _refusal(why: str) -> Response:
    return error_response(
        RequestError(400, "Bad Request", f"The WebSocket handshake is malformed: {why}.")
    )


class WebSocket:
    """An open connection. All but `receive` returns at once, and may be called by any task.

    Attributes:
        bucket: what frames of the client cost; a dialect may put that of a peer here.
        log: whom records are about, as fields; a dialect puts them here.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        received: bytes,
        nursery: trio.Nursery,
        context: Context,
    ):
        limits = context.limits
        self.bucket = TokenBucket(
            limits.messages_per_second, limits.messages_burst, trio.current_time()
        )
        self.log: dict[str, object] = {}
        self._stream = stream
        self._protocol = _Protocol(state=State.OPEN, max_size=limits.body_bytes)
        self._received = received
        self._scope = nursery.cancel_scope
        self._statistics = context.statistics
        self._sending = SendBuffer(
            stream, nursery, piece_seconds=limits.send_seconds, on_stuck=self._stuck
        )
        # What a mailbox holds may all have to be sent again; JSON makes it longer.
        self._unsent_limit = 2 * limits.mailbox_bytes + 1024 * 1024
        self._messages: list[str] = []
        self._fragments = bytearray()
        self._awaits_pong = False
        self._closing = False

    @property
    def is_open(self) -> bool:
        """Whether what has come is to be heard: until we close, even if the client has closed."""
        return not self._closing

    @property
    def unsent(self) -> int:
        """How many bytes wait for the client to take them."""
        return self._sending.size

    @property
    def awaits_pong(self) -> bool:
        """Whether a `ping` has not been answered yet."""
        return self._awaits_pong

    def send(self, message: bytes) -> None:
        """Send a text message, with the next `flush`; nothing if the connection is not open."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(message)

    def flush(self) -> None:
        """Have sent what there is to send."""
        chunks = self._protocol.data_to_send()
        if chunks and self._sending.size > self._unsent_limit:
            self._stuck()
        elif chunks:
            # One that is empty stands for the end, which `finish` sees to.
            self._sending.add([chunk for chunk in chunks if chunk])
            self._sending.flush()

    def ping(self) -> None:
        """Ask the client for a sign of life."""
        if self._protocol.state is State.OPEN:
            self._awaits_pong = True
            self._protocol.send_ping(b"")
            self.flush()

    def close(self, code: int, reason: str) -> None:
        """Begin to close in order: what the client still sends is dropped, until it closes too."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
        self._begin_to_close()

    def fail(self, code: int, reason: str) -> None:
        """Close because of the client: nothing of what it still sends is even looked at."""
        if not self._protocol.eof_sent:
            self._protocol.fail(code, reason)
        self._begin_to_close()

    def _begin_to_close(self) -> None:
        if not self._closing:
            self._closing = True
            self._messages.clear()
            self._scope.deadline = trio.current_time() + CLOSE_SECONDS
        self.flush()

    def _stuck(self) -> None:
        """Nothing can be sent, not even a reason."""
        self._statistics.over_limit["send_seconds"] += 1
        self._scope.cancel()

    async def receive(self) -> list[str] | None:
        """The messages that have come, at least one; None if no more will."""
        while not self._messages:
            if self._protocol.state is not State.OPEN:
                return None
            await self._read()
        messages, self._messages = self._messages, []
        return messages

    async def _read(self) -> None:
        data, self._received = self._received, b""
        if not data:
            try:
                data = bytes(await self._stream.receive_some(RECEIVE_BYTES))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
        if not data:
            self._protocol.receive_eof()
        for start in range(0, len(data), _PARSE_BYTES):
            self._protocol.receive_data(data[start : start + _PARSE_BYTES])
            if frames := self._protocol.events_received():
                self._take(frames)
        if fault := self._protocol.parser_exc:
            self._protocol.parser_exc = None
            if isinstance(fault, PayloadTooBig):
                self._statistics.over_limit["body_bytes"] += 1
            elif not isinstance(fault, EOFError):
                self._statistics.malformed += 1
        self.flush()

    def _take(self, frames: Sequence[Event]) -> None:
        if not self.bucket.take(len(frames), trio.current_time()):
            self._statistics.over_limit["messages_per_second"] += 1
            self.fail(TOO_FAST, "too_fast")
        for frame in frames:
            if self._closing:
                return
            assert isinstance(frame, Frame)
            if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
                self._take_text(frame)
            elif frame.opcode is Opcode.PONG:
                self._awaits_pong = False
            elif frame.opcode is Opcode.BINARY:
                self._statistics.malformed += 1
                self.fail(CloseCode.UNSUPPORTED_DATA, "")

    def _take_text(self, frame: Frame) -> None:
        data = frame.data
        if self._fragments or not frame.fin:
            self._fragments += data
            if not frame.fin:
                return
            data, self._fragments = self._fragments, bytearray()
        try:
            self._messages.append(str(data, "utf-8"))
        except UnicodeDecodeError:
            self._statistics.malformed += 1
            self.fail(CloseCode.INVALID_DATA, "")

    async def finish(self) -> None:
        """Close, and wait until the client has done so too, or has had its time for it."""
        self.close(CloseCode.NORMAL_CLOSURE, "")
        while not self._protocol.eof_sent and self._protocol.state is not State.CLOSED:
            await self._read()
        await self._sending.drain()
        if self._protocol.close_rcvd is None:
            await linger(self._stream)


async def upgrade(
    exchange: Exchange,
    subprotocols: Sequence[str],
    context: Context,
    handler: Callable[[WebSocket], Awaitable[None]],
) -> None:
    """Answer a request for a WebSocket, and run a handler on it if it is accepted."""
    answer = accept(exchange.request, subprotocols)
    if isinstance(answer, Response):
        context.statistics.malformed += 1
        await exchange.respond(answer)
        return
    stream, received = await exchange.take_over(answer)
    await serve_websocket(stream, received, context, handler)


async def serve_websocket(
    stream: trio.abc.Stream,
    received: bytes,
    context: Context,
    handler: Callable[[WebSocket], Awaitable[None]],
) -> None:
    """Run a handler on a connection, and close it after that.

    The answer to the handshake has been sent; ``received`` is what the client sent behind it.
    """
    statistics = context.statistics
    statistics.websockets += 1
    statistics.websockets_open += 1
    try:
        async with open_background_nursery() as nursery:
            websocket = WebSocket(stream, received, nursery, context)
            try:
                await handler(websocket)
            except Exception:
                # The client is told at least that it is not to blame.
                statistics.failures += 1
                logger.exception("a connection ended by an unexpected error", extra=websocket.log)
                websocket.fail(CloseCode.INTERNAL_ERROR, "")
            await websocket.finish()
    finally:
        statistics.websockets_open -= 1
