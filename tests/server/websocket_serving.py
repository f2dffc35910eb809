"""A handler of WebSockets and a client of it, over streams of every kind."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import trio
import trio.testing

from trio_rtc.server.context import Context
from trio_rtc.server.requests import RequestParser
from trio_rtc.server.websocket import WebSocket, accept, serve_websocket

from .ws_client import WebSocketClient

Handler = Callable[[WebSocket], Awaitable[None]]


async def echo(websocket: WebSocket) -> None:
    while (messages := await websocket.receive()) is not None:
        for message in messages:
            websocket.send(message.encode())
        websocket.flush()


async def tcp_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        client = await trio.testing.open_stream_to_socket_listener(listener)
        return client, await listener.accept()


async def stream_pair(
    kind: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> tuple[trio.abc.Stream, trio.abc.Stream]:
    if kind == "memory":
        return trio.testing.memory_stream_pair()
    if kind == "lockstep":
        return trio.testing.lockstep_stream_pair()
    client, server = await tcp_pair()
    if kind == "tcp":
        return client, server
    return (
        trio.SSLStream(client, tls[1], server_hostname="localhost", https_compatible=True),
        trio.SSLStream(server, tls[0], server_side=True, https_compatible=True),
    )


@asynccontextmanager
async def serving(
    client: trio.abc.Stream,
    server: trio.abc.Stream,
    handler: Handler = echo,
    context: Context | None = None,
) -> AsyncIterator[WebSocketClient]:
    """A client of a handler, after the handshake. At the end nothing is left of either."""
    used = context or Context()
    tasks = trio.lowlevel.current_statistics().tasks_living

    async def serve() -> None:
        async with server:
            parser = RequestParser(used.limits)
            while (request := parser.next_request()) is None:
                parser.feed(bytes(await server.receive_some()))
            answer = accept(request, ["trio-rtc.v1"])
            assert isinstance(answer, bytes), answer
            await server.send_all(answer)
            await serve_websocket(server, parser.take_rest(), used, handler)

    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            speaker = WebSocketClient(client)
            async with client:
                response = await speaker.open()
                assert response.status_code == 101
                assert response.headers["Sec-WebSocket-Protocol"] == "trio-rtc.v1"
                assert "Sec-WebSocket-Extensions" not in response.headers
                yield speaker
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert used.statistics.websockets_open == 0


async def send_what_is_taken(speaker: WebSocketClient, data: bytes) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await speaker.send_raw(data)
