"""HTTP over data channels: a transport for httpx, with a channel for each connection."""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol

import httpcore
import httpx
import trio

from ...errors import CallError
from .data_channel import DataChannel
from .stream import ChannelStream

HTTP_PROTOCOL: Final = "http"
"""What the protocol of a channel with HTTP in it is called, with or without TLS."""


class OpensChannels(Protocol):
    """A `Call`, or whatever else opens channels."""

    async def open_channel(self, label: str, *, protocol: str = "") -> DataChannel: ...


class ChannelTransport(httpx.AsyncBaseTransport):
    """For `httpx.AsyncClient`: HTTP to the other peer of a call, over channels of their own.

    A channel has the protocol ``"http"`` and the host and port of the URL as its label, which
    tells the other side who is asked for, and nothing else: no name is looked up. Connections are
    kept and used again as those over TCP are. With an ``https://`` URL TLS runs in the channel.

    Args:
        call: opens the channels.
        ssl_context: for ``https://``; by default that of httpx.
        http1: whether HTTP/1.1 may be spoken.
        http2: whether HTTP/2 may, which takes ``httpx[http2]``.
        limits: of connections, as in `httpx.Limits`.

    Raises:
        httpx.ConnectError, httpx.ReadError, httpx.WriteError: the channel or the call is over.
        httpx.ConnectTimeout, httpx.ReadTimeout, httpx.WriteTimeout: as with any transport.
    """

    def __init__(
        self,
        call: OpensChannels,
        *,
        ssl_context: ssl.SSLContext | None = None,
        http1: bool = True,
        http2: bool = False,
        limits: httpx.Limits | None = None,
    ):
        if ssl_context is None:
            ssl_context = httpx.create_ssl_context()
        limits = limits or httpx.Limits(max_connections=100, max_keepalive_connections=20)
        self._connections = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            http1=http1,
            http2=http2,
            network_backend=_Backend(call),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Have a request answered, as httpx asks for it."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        url = request.url
        with _as_of_httpx():
            response = await self._connections.handle_async_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(
                        scheme=url.raw_scheme,
                        host=url.raw_host,
                        port=url.port,
                        target=url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        assert isinstance(response.stream, AsyncIterable)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_ResponseBody(response.stream, response.aclose),
            extensions=dict(response.extensions),
        )

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        with _as_of_httpx():
            await self._connections.aclose()


class _ResponseBody(httpx.AsyncByteStream):
    """The body of a response, with httpx's errors."""

    def __init__(self, stream: AsyncIterable[bytes], close: Callable[[], Awaitable[None]]):
        self._parts = stream.__aiter__()
        self._close = close

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with _as_of_httpx():
            return await self._parts.__anext__()

    async def aclose(self) -> None:
        with _as_of_httpx():
            await self._close()


@contextmanager
def _as_of_httpx() -> Iterator[None]:
    """Httpx calls the errors of httpcore by the same names."""
    try:
        yield
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.TimeoutException,
        httpcore.UnsupportedProtocol,
    ) as error:
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise kind(str(error)) from error


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, call: OpensChannels):
        self._call = call

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        with _errors(httpcore.ConnectError, httpcore.ConnectTimeout, timeout):
            channel = await self._call.open_channel(f"{host}:{port}", protocol=HTTP_PROTOCOL)
        return _NetworkStream(ChannelStream(channel), channel)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class _NetworkStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: trio.abc.Stream, channel: DataChannel):
        self._stream = stream
        self._channel = channel

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _errors(httpcore.ReadError, httpcore.ReadTimeout, timeout):
            return bytes(await self._stream.receive_some(max_bytes))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            with _errors(httpcore.WriteError, httpcore.WriteTimeout, timeout):
                await self._stream.send_all(buffer)

    async def aclose(self) -> None:
        # Whoever still waits for an answer is told by its end.
        with suppress(trio.BrokenResourceError):
            await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = trio.SSLStream(
            self._stream, ssl_context, server_hostname=server_hostname, https_compatible=True
        )
        try:
            with _errors(httpcore.ConnectError, httpcore.ConnectTimeout, timeout):
                await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(self._stream)
            raise
        return _NetworkStream(stream, self._channel)

    def get_extra_info(self, info: str) -> object:
        if info == "ssl_object" and isinstance(self._stream, trio.SSLStream):
            # It has the methods of one.
            return self._stream
        if info == "is_readable":
            # Of an idle connection: it has been closed, or somebody speaks out of turn.
            return self._channel.closed or self._channel.statistics().unread_messages > 0
        return None


@contextmanager
def _errors(
    broken: type[Exception], too_slow: type[Exception], timeout: float | None
) -> Iterator[None]:
    """Trio's errors and ours as those of httpcore."""
    try:
        with trio.fail_after(math.inf if timeout is None else timeout):
            yield
    except trio.TooSlowError as error:
        raise too_slow(str(error)) from error
    except (CallError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
        # Trio's streams tell of TLS errors in the cause.
        raise broken(str(error) or str(error.__cause__)) from error
