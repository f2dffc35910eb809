"""HTTP requests to a server: trusted like its WebSockets, and by no proxy of the environment."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable

import httpx
import trio

SocketOption = tuple[int, int, int]


async def open_http_client(
    url: httpx.URL,
    *,
    timeout: float,
    ssl_context: ssl.SSLContext | None,
    socket_options: Iterable[SocketOption] = (),
) -> httpx.AsyncClient:
    """A client for requests to one server, to be entered.

    Args:
        url: of the server.
        timeout: seconds for each step of a request.
        ssl_context: how to verify the server; by default by the system's authorities.
        socket_options: for its connections.
    """
    if url.scheme == "https":
        context = ssl_context or await default_context()
    else:
        # Nothing is verified by it, and nobody trusted: httpx would read a file of authorities.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(
        transport=_Transport(verify=context, socket_options=list(socket_options), trust_env=False),
        timeout=httpx.Timeout(timeout, pool=None),
        headers={"User-Agent": "trio-rtc"},
        trust_env=False,
    )


async def default_context() -> ssl.SSLContext:
    """How a server is verified: by the authorities of the system."""
    # Reading them takes some ten milliseconds.
    return await trio.to_thread.run_sync(ssl.create_default_context)


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's transport, for bodies that a cancelled request may leave unread."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # httpx iterates over a body with an async generator; one that is left in the middle is
        # a warning when it is collected.
        request.stream = _Body(request.content)
        return await super().handle_async_request(request)


class _Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes):
        self._content = [content]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._content:
            raise StopAsyncIteration
        return self._content.pop()
