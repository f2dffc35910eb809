"""Real sockets and the clients that people use."""

from __future__ import annotations

import http.client
import logging
import os
import resource
import socket
import struct
from collections.abc import AsyncIterator

import httpx
import pytest
import trio
import trio.testing

from trio_rtc.server.limits import ServerLimits

from ..harness import Client, get, post, tcp_server


async def ask(port: int, request: bytes) -> tuple[int, bytes]:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        client = Client(stream)
        await client.send(request)
        answer = await client.answer()
        assert answer is not None
        return answer.status, answer.body


async def two(port: int) -> None:
    await ask(port, get("/sign_in?alice"))
    await ask(port, get("/sign_in?bob"))
    assert await ask(port, get("/wait?peer_id=1")) == (200, b"bob,2,1\n")


def reset(stream: trio.SocketStream) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


@pytest.mark.parametrize("kind", ["close", "reset", "half_close"])
@pytest.mark.parametrize("queued", [False, True])
async def test_a_message_for_a_get_that_has_just_ended_stays(kind: str, queued: bool) -> None:
    """The end of the GET and the message are with the kernel before the server looks."""
    with trio.fail_after(60):
        async with tcp_server() as port:
            await two(port)
            for number in range(20):
                body = b"%d" % number
                if queued:
                    assert (await ask(port, post(1, 2, body)))[0] == 200
                receiver = await trio.open_tcp_stream("127.0.0.1", port)
                sender = await trio.open_tcp_stream("127.0.0.1", port)
                if not queued:
                    await receiver.send_all(get("/wait?peer_id=2"))
                    await trio.testing.wait_all_tasks_blocked(0.01)
                # No checkpoint between these: the server sees them at once.
                if queued:
                    receiver.socket._sock.send(get("/wait?peer_id=2"))  # type: ignore[attr-defined]
                if kind == "close":
                    receiver.socket.close()
                elif kind == "reset":
                    reset(receiver)
                else:
                    receiver.socket._sock.shutdown(socket.SHUT_WR)  # type: ignore[attr-defined]
                if not queued:
                    await sender.send_all(post(1, 2, body))
                    answer = await Client(sender).answer()
                    assert answer is not None
                    assert answer.status == 200
                assert await ask(port, get("/wait?peer_id=2")) == (200, body)
                await receiver.aclose()
                await sender.aclose()


async def test_a_reset_is_no_unexpected_error(caplog: pytest.LogCaptureFixture) -> None:
    with trio.fail_after(60), caplog.at_level(logging.WARNING):
        async with tcp_server() as port:
            await two(port)
            for request in (b"", b"GET /", get("/nothing", version="1.1"), get("/wait?peer_id=1")):
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                await stream.send_all(request)
                await trio.testing.wait_all_tasks_blocked(0.02)
                reset(stream)
                await trio.testing.wait_all_tasks_blocked(0.02)
            assert (await ask(port, get("/nothing")))[0] == 404
    assert caplog.records == []


async def test_httpx() -> None:
    with trio.fail_after(60):
        async with (
            tcp_server() as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        ):
            assert (await client.get("/sign_in?alice")).headers["Pragma"] == "1"
            assert (await client.get("/sign_in?b%C3%B6b")).text == "b\xf6b,2,1\nalice,1,1\n"
            assert (await client.get("/wait?peer_id=1")).text == "b\xf6b,2,1\n"

            answer = await client.post("/message?peer_id=2&to=1", content=pieces())
            assert answer.status_code == 200
            assert (await client.get("/wait?peer_id=1")).content == b"x" * 3000
            assert (await client.get("/sign_out?peer_id=2")).status_code == 200


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"x" * 1000


async def test_http_client() -> None:
    def talk(port: int) -> list[tuple[int, bytes]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        answers = []
        for method, target, body in [
            ("GET", "/sign_in?alice", None),
            ("GET", "/sign_in?bob", None),
            ("POST", "/message?peer_id=2&to=1", b"hello"),
            ("OPTIONS", "/message", None),
            ("GET", "/wait?peer_id=1", None),
            ("GET", "/wait?peer_id=1", None),
            ("POST", "/message?peer_id=2&to=1", b"x" * 3_000_000),
        ]:
            connection.request(method, target, body)
            response = connection.getresponse()
            answers.append((response.status, response.read()))
        connection.close()
        return answers

    with trio.fail_after(60):
        async with tcp_server() as port:
            answers = await trio.to_thread.run_sync(talk, port)
    assert [status for status, _ in answers] == [200] * 6 + [413]
    assert [body for _, body in answers[4:6]] == [b"bob,2,1\n", b"hello"]


async def test_1100_peers_wait_at_once() -> None:
    """The classic server died beyond 1020 connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * 1100 + 200
    if hard != resource.RLIM_INFINITY and hard < needed and "CI" not in os.environ:
        pytest.skip("too few descriptors allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    # However slow the machine is.
    limits = ServerLimits(request_seconds=100, idle_seconds=100, absent_seconds=100)
    try:
        with trio.fail_after(100):
            async with tcp_server(limits=limits) as port:
                await ask(port, get("/sign_in?alice"))
                streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(1100)]
                assert (await ask(port, get("/wait?peer_id=7")))[0] == 404
                for stream in streams:
                    await stream.send_all(get("/sign_in?x", extra="Connection: keep-alive\r\n"))
                ids = set()
                for stream in streams:
                    answer = await Client(stream).answer()
                    assert answer is not None
                    ids.add(answer.pragma)
                assert ids == set(range(2, 1102))
                assert await ask(port, get("/wait?peer_id=1")) == (200, b"x,2,1\n")
                for stream in streams:
                    await stream.aclose()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
