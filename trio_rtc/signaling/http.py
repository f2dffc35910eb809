"""HTTP requests to a server, and why it could not be reached, in words: one line, ours alone.

It is trusted as its WebSockets are, and asked through no proxy of the environment.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress

import h11
import httpx
import trio

from ..text import one_line
from ..world import world

LARGEST_ANSWER = 16 * 1024 * 1024

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
        transport=_HttpTransport(
            verify=context, socket_options=list(socket_options), trust_env=False
        ),
        timeout=httpx.Timeout(timeout, pool=None),
        headers={"User-Agent": "trio-rtc", "Accept-Encoding": "identity"},
        trust_env=False,
    )


async def ask(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    seconds: float,
    *,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: httpx.Timeout | None = None,
) -> httpx.Response:
    """The whole answer to a request; its content is text.

    Args:
        http: asks.
        method: of the request.
        url: of it.
        seconds: how long all of it may take.
        content: its body, if it has one: text, unless the headers say otherwise.
        headers: of the request.
        timeout: how long each step may take, instead of the client's.

    Raises:
        httpx.RequestError: there is none, or it has no end within this time.
    """
    kind = {} if content is None else {"Content-Type": "text/plain"}
    with trio.move_on_after(seconds):
        try:
            return await http.request(
                method,
                url,
                content=content,
                headers={**kind, **(headers or {})},
                timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
            )
        except httpx.InvalidURL as error:
            # httpx looks at where an answer leads to, also if nobody wants to go there.
            raise httpx.RemoteProtocolError("it leads to what is no URL") from error
    raise httpx.ReadTimeout("")


async def default_context() -> ssl.SSLContext:
    """How a server is verified: by the authorities of the system."""
    # Reading them takes some ten milliseconds.
    return await world().run_in_thread(ssl.create_default_context)


class _HttpTransport(httpx.AsyncHTTPTransport):
    """httpx's transport, for bodies that a cancelled request may leave unread."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # httpx iterates over a body with an async generator; one that is left in the middle is
        # a warning when it is collected.
        request.stream = _Body(request.content)
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Bounded(response.stream)
        # Nobody was asked to compress it. What is small on the way may have any size behind it.
        response.headers.pop("Content-Encoding", None)
        return response


class _Bounded(httpx.AsyncByteStream):
    """The body of an answer, which may have no end."""

    def __init__(self, stream: httpx.AsyncByteStream):
        self._stream = stream
        self._parts = stream.__aiter__()
        self._size = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = await self._parts.__anext__()
        self._size += len(part)
        if self._size > LARGEST_ANSWER:
            # What httpx iterates over below are generators that nobody closes: they end by
            # themselves only where they wait.
            with trio.CancelScope() as scope, suppress(StopAsyncIteration):
                scope.cancel()
                while True:
                    await self._parts.__anext__()
            raise httpx.RemoteProtocolError("the answer is too large")
        return part

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes):
        self._content = [content]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._content:
            raise StopAsyncIteration
        return self._content.pop()


OTHER_AUTHORITY = "--ca, or ssl_context in a program, names another authority"


def reason(error: BaseException) -> str:
    """What an error says, or the one of those behind it that says most."""
    chain = list(_chain(error))
    for one in chain:
        if (words := _words(one)) is not None:
            return words
    return one_line(next((str(one) for one in chain if str(one)), type(error).__name__))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it comes of; of several at once, the first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        else:
            error = error.__cause__ or error.__context__


def _words(error: BaseException) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            why = one_line(error.verify_message or str(error))
            return f"its certificate is not accepted: {why} ({OTHER_AUTHORITY})"
        case ssl.SSLError():
            why = (error.reason or "it is broken off").replace("_", " ").lower()
            return f"the TLS handshake fails: {one_line(why)}"
        case socket.gaierror():
            return f"there is no such host: {one_line(error.strerror or str(error))}"
        case httpx.TimeoutException():
            return "there is no answer in time"
        case httpx.RemoteProtocolError() if str(error).startswith("Server disconnected"):
            return "it closes the connection without an answer"
        case httpx.ProtocolError() | h11.ProtocolError():
            return "its answer is not HTTP"
        case OSError() if error.errno is not None and error.strerror:
            return one_line(error.strerror)
    return None
