"""Failed WebSocket handshakes: seen where trio-websocket does not look, and put in words."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import h11
import trio

from ..wire.close_codes import CloseCode
from .address import shown
from .http import reason
from .http_response import HttpResponse, answer

LONGEST_REFUSAL = 64 * 1024
"""How much of an answer to a handshake is read, if that opens no connection."""


class WebSocketLost(Exception):
    """There is no connection: it could not be opened, or has ended.

    Attributes:
        status: of the server's HTTP response, if it refused to open one; 0 if what it said was
            no HTTP.
        answer: that response.
        code: with which it was closed.
    """

    def __init__(
        self,
        why: str,
        *,
        status: int | None = None,
        answer: HttpResponse | None = None,
        code: int = CloseCode.NO_CLOSE,
    ):
        super().__init__(why)
        self.status = status if answer is None else answer.status
        self.answer = answer
        self.code = code


class WatchedStream(trio.abc.Stream):
    """A stream that tells of its end, of which trio-websocket's handshake takes no notice.

    Attributes:
        received: what has come in the handshake.
    """

    def __init__(self, stream: trio.abc.Stream, on_end: Callable[[], None]):
        self._stream = stream
        self._on_end = on_end
        self._in_handshake = True
        self.received = bytearray()

    def end_handshake(self) -> None:
        self._in_handshake = False
        self._on_end = _nothing
        self.received.clear()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            self._on_end()
            raise

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError:
            self._on_end()
            raise
        if self._in_handshake:
            self.received += data
        if not data or len(self.received) > LONGEST_REFUSAL:
            self._on_end()
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


def _nothing() -> None:
    pass


def broken_off(received: bytes) -> WebSocketLost:
    """What was said before the end: a body without a length ends so (RFC 9112, section 6.3)."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("Host", "")]))
    http.send(h11.EndOfMessage())
    response, body = None, b""
    try:
        http.receive_data(received)
        http.receive_data(b"")
        while not isinstance(event := http.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            if isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, type(h11.NEED_DATA) | type(h11.PAUSED)):
                break
    except h11.RemoteProtocolError as error:
        if response is None and received:
            return WebSocketLost(reason(error), status=0)
    if response is None:
        return WebSocketLost("it closes the connection without an answer")
    return refused(answer(response.status_code, response.reason, response.headers, body))


def refused(refusal: HttpResponse) -> WebSocketLost:
    """A server, or something before it, does not open a connection."""
    why = str(refusal)
    location = refusal.headers.get("location", "")
    if location.startswith(("http://", "https://")):
        why += f" (give {shown(location.replace('http', 'ws', 1))} if that is the one)"
    if refusal.is_ours and refusal.status in (200, 404):
        why += " (what is in between does not pass WebSocket on)"
    return WebSocketLost(why, answer=refusal)


def phrase(status: int) -> bytes:
    """What a status is called, where only its number has been kept."""
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
