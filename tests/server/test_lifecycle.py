"""Starting, draining and ending, and what one connection may do to the others."""

from __future__ import annotations

import errno
import gc
import logging
import os
import socket
from collections.abc import Awaitable
from pathlib import Path

import pytest
import trio
import trio.testing

from trio_rtc.server import ServerLimits, serve_signaling, serve_signaling_listeners
from trio_rtc.server.dialects.classic.classic_dialect import ClassicDialect
from trio_rtc.server.http.connection import HttpExchange

from .harness import Client, MemoryListener, get, memory_server, post
from .native_client import NativeClient


def tasks_living() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def test_a_cancelled_server_answers_and_leaves_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    before = tasks_living()
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        hanging = await server.hang(alice)
        kept = await server.hang(await server.sign_in("bob"), version="1.1")
        assert (await hanging.answer()) is not None  # bob has come
        await hanging.stream.aclose()
        hanging = await server.hang(alice)
        idle = await server.connect()
        await idle.send(get("/nothing", version="1.1"))
        assert await idle.answer() is not None
        partial = await server.connect()
        await partial.send(b"GET /nothing HT")
        await trio.testing.wait_all_tasks_blocked()
        cancelled = trio.current_time()
        server.scope.cancel()
        for client in (hanging, kept):
            answer = await client.answer()
            assert answer is not None
            assert (answer.status, answer.body) == (200, b"Server shutting down")
            assert (answer.pragma, answer.header("Connection")) == (None, "close")
            await client.stream.aclose()
        assert await idle.ended()
        assert trio.current_time() == cancelled
        assert server.listener.closed
        await partial.send(b"TP/1.0\r\n\r\n")
        answer = await partial.answer()
        assert answer is not None
        assert answer.status == 404
        await partial.stream.aclose()
    assert trio.current_time() - cancelled < 2
    assert tasks_living() == before


async def test_the_drain_has_an_end(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server(drain_seconds=5) as server:
        alice = await server.sign_in("alice")
        stuck = await server.listener.connect_unread()
        await stuck.send_all(get(f"/wait?peer_id={alice}"))
        slow = await server.connect()
        await slow.send(b"GET /")
        await trio.testing.wait_all_tasks_blocked()
        started = trio.current_time()
        server.scope.cancel()
    assert trio.current_time() - started == pytest.approx(5)
    await stuck.aclose()
    await slow.stream.aclose()


async def test_an_unexpected_error_ends_one_connection_and_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_out = ClassicDialect._sign_out

    def fail(self: ClassicDialect, exchange: HttpExchange, peer: object) -> None:
        raise RuntimeError("of its own making")

    async with memory_server() as server:
        alice = await server.sign_in("alice")
        hanging = await server.hang(alice)
        monkeypatch.setattr(ClassicDialect, "_sign_out", fail)
        client = await server.connect()
        with caplog.at_level(logging.ERROR, "trio_rtc.server"):
            await client.send(get(f"/sign_out?peer_id={alice}"))
            assert await client.ended()
            await trio.testing.wait_all_tasks_blocked()
        (record,) = caplog.records
        assert record.exc_info is not None
        assert "of its own making" in str(record.exc_info[1])
        monkeypatch.setattr(ClassicDialect, "_sign_out", sign_out)
        await server.sign_in("bob")
        answer = await hanging.answer()
        assert answer is not None
        assert answer.body == b"bob,2,1\n"
        await hanging.stream.aclose()


async def test_an_overloaded_accept_is_tried_again(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Overloaded(MemoryListener):
        failures = 3

        async def accept(
            self,
        ) -> trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]:
            if self.failures:
                self.failures -= 1
                raise OSError(errno.EMFILE, "too many")
            return await super().accept()

    listener = Overloaded()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_signaling_listeners, [listener])
        client = Client(await listener.connect())
        await client.send(get("/nothing"))
        assert await client.answer() is not None
        await client.stream.aclose()
        nursery.cancel_scope.cancel()
    assert listener.failures == 0


async def start(nursery: trio.Nursery, port: int, host: str | None) -> list[trio.SocketListener]:
    async def serve(
        task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        await serve_signaling(port, host=host, drain_seconds=0.5, task_status=task_status)

    listeners: list[trio.SocketListener] = await nursery.start(serve)
    return listeners


async def test_port_0_is_one_port() -> None:
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            listeners = await start(nursery, 0, None)
            assert len({listener.socket.getsockname()[1] for listener in listeners}) == 1
            for listener in listeners:
                stream = await trio.testing.open_stream_to_socket_listener(listener)
                client = Client(stream)
                await client.send(get("/nothing"))
                assert await client.answer() is not None
                await stream.aclose()
            nursery.cancel_scope.cancel()


async def test_an_origin_that_is_none_leaves_no_listener() -> None:
    listener = MemoryListener()
    with pytest.raises(ValueError, match="no origin"):
        await serve_signaling_listeners([listener], origins=["example.org"])
    assert listener.closed


async def test_a_port_in_use_is_an_error() -> None:
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            listeners = await start(nursery, 0, "127.0.0.1")
            with pytest.raises(OSError, match="in use") as caught:
                await serve_signaling(listeners[0].socket.getsockname()[1], host="127.0.0.1")
            assert caught.value.errno == errno.EADDRINUSE
            nursery.cancel_scope.cancel()


async def test_accepted_sockets_are_prompt_and_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    handle = ClassicDialect.handle

    def look(self: ClassicDialect, exchange: HttpExchange) -> Awaitable[None] | None:
        stream = exchange._connection.accepted.stream
        assert isinstance(stream, trio.SocketStream)
        seen.append(
            (
                stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            )
        )
        return handle(self, exchange)

    monkeypatch.setattr(ClassicDialect, "handle", look)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            listeners = await start(nursery, 0, "127.0.0.1")
            stream = await trio.testing.open_stream_to_socket_listener(listeners[0])
            client = Client(stream)
            await client.send(get("/nothing"))
            assert await client.answer() is not None
            await stream.aclose()
            nursery.cancel_scope.cancel()
    assert seen == [(1, 1)]


async def test_clients_may_come_over_a_unix_domain_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    unix = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await unix.bind(path)
    unix.listen()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(
                lambda task_status: serve_signaling_listeners(
                    [trio.SocketListener(unix)], task_status=task_status
                )
            )
            for number in (1, 2):
                async with await trio.open_unix_socket(path) as stream:
                    client = Client(stream)
                    await client.send(get("/sign_in?alice"))
                    answer = await client.answer()
                    assert answer is not None
                    assert answer.pragma == number
            websocket = NativeClient(await trio.open_unix_socket(path))
            assert (await websocket.open()).status_code == 101
            await websocket.join("bob")
            await websocket.aclose()
            nursery.cancel_scope.cancel()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
async def test_no_socket_is_left() -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            listeners = await start(nursery, 0, "127.0.0.1")
            streams = [
                await trio.testing.open_stream_to_socket_listener(listeners[0]) for _ in range(20)
            ]
            for number, stream in enumerate(streams):
                await stream.send_all(get("/wait?peer_id=1") if number % 2 else b"GET /")
            nursery.cancel_scope.cancel()
        for stream in streams:
            await stream.aclose()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


async def test_a_peer_can_be_reached_while_another_one_is_flooding() -> None:
    async with memory_server(limits=ServerLimits(mailbox_messages=10)) as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        flood = await server.connect()
        for _ in range(50):
            await flood.send(post(bob, alice, b"x", version="1.1"))
        statuses = []
        for _ in range(50):
            answer = await flood.answer()
            assert answer is not None
            statuses.append(answer.status)
        assert statuses == [200] * 10 + [503] * 40
        assert (await server.poll(alice)).body == b"bob,2,1\n"
        await flood.stream.aclose()
