"""The same over TLS."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct

import pytest
import trio
import trio.testing
import trustme

from trio_rtc.server import ServerLimits
from trio_rtc.server.counters import Statistics

from ..harness import Client, get, post, tcp_server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def connect(
    port: int, context: ssl.SSLContext
) -> tuple[trio.SSLStream[trio.SocketStream], trio.SocketStream]:
    transport = await trio.open_tcp_stream("127.0.0.1", port)
    stream = trio.SSLStream(transport, context, server_hostname="localhost", https_compatible=True)
    await stream.do_handshake()
    return stream, transport


async def ask(port: int, context: ssl.SSLContext, request: bytes) -> tuple[int, bytes]:
    stream, _ = await connect(port, context)
    async with stream:
        client = Client(stream)
        await client.send(request)
        answer = await client.answer()
        assert answer is not None
        return answer.status, answer.body


@pytest.mark.parametrize("kind", ["close", "reset"])
@pytest.mark.parametrize("queued", [False, True])
async def test_a_message_for_a_get_that_has_just_ended_stays(
    kind: str,
    queued: bool,
    server_context: ssl.SSLContext,
    client_context: ssl.SSLContext,
) -> None:
    """The end of the GET and the message are with the kernel before the server looks."""
    with trio.fail_after(60):
        async with tcp_server(ssl_context=server_context) as port:

            async def tell(request: bytes) -> tuple[int, bytes]:
                return await ask(port, client_context, request)

            await tell(get("/sign_in?alice"))
            await tell(get("/sign_in?bob"))
            assert await tell(get("/wait?peer_id=1")) == (200, b"bob,2,1\n")
            for number in range(10):
                body = b"%d" % number
                if queued:
                    assert (await tell(post(1, 2, body)))[0] == 200
                receiver, transport = await connect(port, client_context)
                sender, _ = await connect(port, client_context)
                await trio.testing.wait_all_tasks_blocked(0.01)
                # The request is with the kernel, and so is the end of the connection, before
                # the server has its turn.
                sent = await sealed(receiver, get("/wait?peer_id=2"))
                if not queued:
                    await transport.send_all(sent)
                    await trio.testing.wait_all_tasks_blocked(0.01)
                else:
                    transport.socket._sock.send(sent)  # type: ignore[attr-defined]
                if kind == "reset":
                    transport.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                transport.socket.close()
                if not queued:
                    await sender.send_all(post(1, 2, body))
                    answer = await Client(sender).answer()
                    assert answer is not None
                    assert answer.status == 200
                assert await tell(get("/wait?peer_id=2")) == (200, body)
                await trio.aclose_forcefully(receiver)
                await sender.aclose()


async def sealed(stream: trio.SSLStream[trio.SocketStream], data: bytes) -> bytes:
    """What goes over the wire for this."""
    stream._ssl_object.write(data)
    return bytes(stream._outgoing.read())


async def test_http_client_and_websocket(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    def talk(port: int) -> list[int]:
        connection = http.client.HTTPSConnection(
            "localhost", port, timeout=30, context=client_context
        )
        statuses = []
        for method, target, body in [
            ("GET", "/sign_in?alice", None),
            ("POST", "/message?peer_id=1&to=1", b"x" * 100_000),
            ("GET", "/healthz", None),
        ]:
            connection.request(method, target, body)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()
        return statuses

    with trio.fail_after(60):
        async with tcp_server(ssl_context=server_context) as port:
            assert await trio.to_thread.run_sync(talk, port) == [200] * 3


async def test_who_speaks_no_tls_or_not_at_all(
    server_context: ssl.SSLContext, mock_clock: trio.testing.MockClock
) -> None:
    # Time passes when nothing else does.
    mock_clock.autojump_threshold = 0.02
    statistics = Statistics()
    limits = ServerLimits(handshake_seconds=0.2)
    with trio.fail_after(60):
        async with tcp_server(
            ssl_context=server_context, limits=limits, statistics=statistics
        ) as port:
            for request in (get("/healthz"), b"\x16\x03\x01\xff\xff", b""):
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                if request:
                    await stream.send_all(request)
                client = Client(stream)
                await client.ended()
                assert b"200" not in client._buffer
                await stream.aclose()
    assert statistics.malformed >= 1
    assert statistics.over_limit["handshake_seconds"] >= 1
    assert statistics.failures == 0
    assert statistics.connections_open == 0


async def test_a_drain_says_goodbye(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    with trio.fail_after(60):
        async with tcp_server(ssl_context=server_context) as port:
            assert (await ask(port, client_context, get("/sign_in?alice")))[0] == 200
            stream, _ = await connect(port, client_context)
            await stream.send_all(get("/wait?peer_id=1"))
            await trio.testing.wait_all_tasks_blocked(0.05)
        answer = await Client(stream).answer()
        assert answer is not None
        assert answer.body == b"Server shutting down"
        await stream.aclose()
