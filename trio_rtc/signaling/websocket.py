"""A WebSocket to a server: trio-websocket, with one error for all that can happen to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import h11
import httpx
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)
from wsproto.utilities import ProtocolError

from ..tasks import open_background_nursery
from ..text import one_line
from ..wire.close_codes import CloseCode
from .handshake import WatchedStream, WebSocketLost, broken_off, phrase, refused
from .http import default_context, reason
from .http_response import answer

__all__ = ["ClientWebSocket", "WebSocketLost", "open_websocket"]

CLOSE_SECONDS = 1.0
"""How long a server may take to answer a close."""


class ClientWebSocket:
    """An open connection. All methods raise `WebSocketLost`.

    Attributes:
        local_address: the address of this machine that it goes out from.
        remote_address: that of the server, or of what stands before it; None if it has gone.
    """

    def __init__(
        self, connection: WebSocketConnection, local_address: str, remote_address: str | None
    ):
        self._connection = connection
        self.local_address = local_address
        self.remote_address = remote_address

    @property
    def subprotocol(self) -> str | None:
        """What the server has chosen of the subprotocols that it was offered."""
        return self._connection.subprotocol

    @property
    def is_ours(self) -> bool:
        """Whether a server of this project has opened it."""
        return answer(101, b"", self._connection.handshake_headers, b"").is_ours

    async def receive(self) -> str | bytes:
        """The next message."""
        try:
            return await self._connection.get_message()
        except ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def send(self, message: str) -> None:
        """Send a message. If this is cancelled, the connection cannot be used any more."""
        try:
            await self._connection.send_message(message)
        except (ConnectionClosed, ProtocolError) as error:
            raise _closed(error) from error

    async def ping(self) -> None:
        """Wait for a sign of life; for ever, if there is none."""
        try:
            await self._connection.ping()
        except (ConnectionClosed, ProtocolError) as error:
            raise _closed(error) from error


@asynccontextmanager
async def open_websocket(
    url: str,
    *,
    subprotocols: list[str],
    timeout: float,
    max_message_bytes: int,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[ClientWebSocket]:
    """Open a connection, and close it at the end of the block.

    Args:
        url: ``ws://…`` or ``wss://…``
        subprotocols: what the server may choose from.
        timeout: seconds for the connection with all its handshakes.
        max_message_bytes: the size of the largest message that the server may send.
        ssl_context: how to verify the server; by default by the system's authorities.

    Raises:
        WebSocketLost: it could not be opened.
    """
    parts = httpx.URL(url)
    secure = parts.scheme == "wss"
    host, port = parts.raw_host.decode(), parts.port or (443 if secure else 80)
    with trio.move_on_after(timeout) as patience:
        stream = await _connect(host, port, ssl_context, secure=secure)
        try:
            async with open_background_nursery() as nursery:
                reader = _WebSocketReader(stream, parts.netloc.decode(), parts.raw_path.decode())
                connection = await reader.open(nursery, subprotocols, max_message_bytes)
                patience.deadline = float("inf")
                try:
                    yield ClientWebSocket(connection, *_addresses(stream))
                finally:
                    with trio.move_on_after(CLOSE_SECONDS):
                        await connection.aclose()
        finally:
            # trio-websocket leaves the stream open if the server has closed first.
            await trio.aclose_forcefully(stream)
    if patience.cancelled_caught:
        raise WebSocketLost(f"there was no answer within {timeout:g} s")


async def _connect(
    host: str, port: int, ssl_context: ssl.SSLContext | None, *, secure: bool
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    try:
        stream = await trio.open_tcp_stream(host, port)
    except OSError as error:
        raise WebSocketLost(reason(error)) from error
    if not secure:
        return stream
    try:
        context = ssl_context or await default_context()
        encrypted = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        await encrypted.do_handshake()
    except BaseException as error:
        await trio.aclose_forcefully(stream)
        if isinstance(error, trio.BrokenResourceError | ssl.SSLError):
            raise WebSocketLost(reason(error)) from error
        raise
    return encrypted


class _WebSocketReader:
    """Runs trio-websocket's reader, which may fail in ways that its interface does not show."""

    def __init__(
        self,
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
        host: str,
        resource: str,
    ):
        self._stream = stream
        self._host = host
        self._resource = resource

    async def open(
        self, nursery: trio.Nursery, subprotocols: list[str], max_message_bytes: int
    ) -> WebSocketConnection:
        """Shake hands.

        Raises:
            WebSocketLost: the server refuses, goes away, or speaks something else.
        """
        try:
            connection: WebSocketConnection = await nursery.start(
                self._run, subprotocols, max_message_bytes
            )
        except ConnectionRejected as rejected:
            raise refused(
                answer(
                    rejected.status_code,
                    phrase(rejected.status_code),
                    rejected.headers or (),
                    rejected.body or b"",
                )
            ) from rejected
        return connection

    async def _run(
        self,
        subprotocols: list[str],
        max_message_bytes: int,
        task_status: trio.TaskStatus[WebSocketConnection],
    ) -> None:
        started = False
        try:
            async with open_background_nursery() as nursery:
                with trio.CancelScope() as handshake:
                    watched = WatchedStream(self._stream, handshake.cancel)
                    connection = await wrap_client_stream(
                        nursery,
                        watched,  # type: ignore[arg-type]  # Any stream will do.
                        self._host,
                        self._resource,
                        subprotocols=subprotocols,
                        max_message_size=max_message_bytes,
                    )
                    watched.end_handshake()
                if handshake.cancelled_caught:
                    raise broken_off(bytes(watched.received))
                started = True
                task_status.started(connection)
                await trio.sleep_forever()
        except (ProtocolError, h11.ProtocolError, UnicodeDecodeError) as error:
            # Whoever receives finds the connection closed.
            if not started:
                raise WebSocketLost("what it says is not WebSocket", status=0) from error


def _addresses(
    stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
) -> tuple[str, str | None]:
    """Ours, and that of the other side."""
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    ours: str = stream.socket.getsockname()[0]
    remote: str | None = None
    # A socket that was reset has none.
    with suppress(OSError):
        remote = stream.socket.getpeername()[0]
    return ours.partition("%")[0], remote


def _closed(error: Exception) -> WebSocketLost:
    close = error.reason if isinstance(error, ConnectionClosed) else None
    code = CloseCode.NO_CLOSE if close is None else close.code
    text = f": {one_line(close.reason)}" if close is not None and close.reason else ""
    return WebSocketLost(f"the connection was closed with {code}{text}", code=code)
