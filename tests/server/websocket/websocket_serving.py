"""A handler of WebSockets and a client of it, over streams of every kind."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import trio
import trio.testing

from trio_rtc.server.context import Context
from trio_rtc.server.draining import Drain
from trio_rtc.server.http.accepted import Accepted
from trio_rtc.server.http.serving.request_parser import RequestParser
from trio_rtc.server.websocket.frames import Receiver, WebSocket
from trio_rtc.server.websocket.service import WebSocketService, open_websocket_service
from trio_rtc.server.websocket.upgrade import accept

from ..ws_client import WebSocketClient

Opening = Callable[[WebSocket], Awaitable[Receiver | None]]


class Echo:
    """Says what it hears."""

    def __init__(self, websocket: WebSocket):
        self.websocket = websocket

    def receive(self, messages: list[str]) -> None:
        for message in messages:
            self.websocket.send(message.encode())
        self.websocket.flush()

    def disconnected(self) -> None:
        pass


async def echo(websocket: WebSocket) -> Receiver | None:
    return Echo(websocket)


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


async def _tick(service: WebSocketService) -> None:
    while True:
        await trio.sleep(1)
        while service.tick(trio.current_time()):
            pass


@asynccontextmanager
async def serving(
    client: trio.abc.Stream,
    server: trio.abc.Stream,
    opening: Opening = echo,
    context: Context | None = None,
    *,
    behind: bytes = b"",
) -> AsyncIterator[WebSocketClient]:
    """A client of a WebSocket, after the handshake. At the end nothing is left of either.

    Args:
        behind: what the client sends with its part of the handshake.
    """
    used = context or Context()
    tasks = trio.lowlevel.current_statistics().tasks_living
    closed = trio.Event()
    accepted = Accepted(server, on_closed=lambda _: closed.set())

    async def serve(service: WebSocketService) -> None:
        parser = RequestParser(used.limits)
        while (request := parser.next_request()) is None:
            parser.feed(bytes(await server.receive_some()))
        answer = accept(request, ["trio-rtc.v1"])
        assert isinstance(answer, bytes), answer
        await server.send_all(answer)
        await service.serve(accepted, parser.take_rest(), opening)

    with trio.fail_after(3600):
        async with open_websocket_service(used, Drain()) as service, trio.open_nursery() as nursery:
            nursery.start_soon(serve, service)
            nursery.start_soon(_tick, service)
            speaker = WebSocketClient(client)
            async with client:
                response = await speaker.open(behind=behind)
                assert response.status_code == 101
                assert response.headers["Sec-WebSocket-Protocol"] == "trio-rtc.v1"
                assert "Sec-WebSocket-Extensions" not in response.headers
                yield speaker
            await closed.wait()
            nursery.cancel_scope.cancel()
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert used.statistics.websockets_open == 0


async def send_what_is_taken(speaker: WebSocketClient, data: bytes) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await speaker.send_raw(data)
