"""What waits on a plain socket has no task, and is served like all that has one."""

from __future__ import annotations

import inspect
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from trio_rtc.server import ServerLimits, serve_signaling
from trio_rtc.server.counters import Statistics
from trio_rtc.server.dialects.classic.classic_dialect import NO_NEWS, ClassicDialect
from trio_rtc.server.http import accepted, shared_reader

from ...cli.server_side import has_read
from ...waiting import until
from ..harness import Client, get, post

#: More than the kernel keeps for a client that does not read.
LARGE = {"body_bytes": 8 * 2**20, "mailbox_bytes": 9 * 2**20, "memory_bytes": 2**30}

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


class TcpServer:
    """A server on loopback, and ways to talk to it."""

    def __init__(self, port: int, statistics: Statistics, tls: ssl.SSLContext | None):
        self.port = port
        self.statistics = statistics
        self.scope = trio.CancelScope()
        self._tls = tls
        self._streams: list[trio.abc.Stream] = []

    async def connect(self) -> Client:
        stream: trio.abc.Stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        if self._tls is not None:
            stream = trio.SSLStream(
                stream, self._tls, server_hostname="localhost", https_compatible=True
            )
        self._streams.append(stream)
        return Client(stream)

    async def aclose(self) -> None:
        for stream in self._streams:
            await trio.aclose_forcefully(stream)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        client = await self.connect()
        await client.send(request)
        answer = await client.answer()
        assert answer is not None
        await client.stream.aclose()
        return answer.status, answer.body

    async def send(self, client: Client, requests: bytes, count: int = 1) -> None:
        """Send requests; they have come when this returns."""
        come = self.statistics.requests + count
        await client.send(requests)
        await until(lambda: self.statistics.requests >= come)
        await trio.testing.wait_all_tasks_blocked()

    async def hang(self, peer: int, query: str = "") -> Client:
        client = await self.connect()
        await self.send(client, get(f"/wait?peer_id={peer}{query}", version="1.1"))
        return client

    async def two(self) -> None:
        """Peers 1 and 2, who have heard of each other."""
        await self.ask(get("/sign_in?alice"))
        await self.ask(get("/sign_in?bob"))
        assert await self.ask(get("/wait?peer_id=1")) == (200, b"bob,2,1\n")


@asynccontextmanager
async def serving(tls: Contexts | None = None, **limits: Any) -> AsyncIterator[TcpServer]:
    statistics = Statistics()
    scope = trio.CancelScope()

    async def serve(
        task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        with scope:
            await serve_signaling(
                0,
                host="127.0.0.1",
                statistics=statistics,
                limits=ServerLimits(**limits),
                ssl_context=tls and tls[0],
                task_status=task_status,
            )

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(serve)
            port = listeners[0].socket.getsockname()[1]
            server = TcpServer(port, statistics, tls and tls[1])
            server.scope = scope
            yield server
            await server.aclose()
            scope.cancel()
    assert statistics.failures == 0
    assert statistics.connections_open == 0


@pytest.fixture(params=["plain", "no epoll", "TLS"])
def kind(
    request: pytest.FixtureRequest, tls: Contexts, monkeypatch: pytest.MonkeyPatch
) -> Contexts | None:
    """However it is served: without tasks, with one for each connection, or TLS."""
    if request.param == "no epoll":
        monkeypatch.setattr(shared_reader, "AVAILABLE", False)
    return tls if request.param == "TLS" else None


def transport(client: Client) -> trio.SocketStream:
    stream = client.stream
    found = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    assert isinstance(found, trio.SocketStream)
    return found


async def body(client: Client) -> bytes:
    answer = await client.answer()
    assert answer is not None
    await client.stream.aclose()
    return answer.body


@pytest.mark.skipif(not shared_reader.AVAILABLE, reason="this system has no epoll")
async def test_what_waits_has_no_task() -> None:
    async with serving() as server:
        await server.two()
        before = trio.lowlevel.current_statistics().tasks_living
        waiting = [await server.connect() for _ in range(30)]
        for client in waiting[:10]:
            await client.send(b"GET /nothing HT")
        for client in waiting[10:20]:
            await server.send(client, get("/nothing", version="1.1"))
            assert await client.answer() is not None
        for client in waiting[20:]:
            await server.send(client, get("/nothing"))
            assert await client.answer() is not None
        hanging = await server.hang(2)
        assert trio.lowlevel.current_statistics().tasks_living == before
        for client in (*waiting, hanging):
            await client.stream.aclose()


async def test_a_message_ends_a_get_that_hangs(kind: Contexts | None) -> None:
    async with serving(kind) as server:
        await server.two()
        hanging = await server.hang(2)
        for number in range(3):
            assert await server.ask(post(1, 2, b"%d" % number)) == (200, b"")
            answer = await hanging.answer()
            assert answer is not None
            assert (answer.body, answer.pragma) == (b"%d" % number, 1)
            await server.send(hanging, get("/wait?peer_id=2", version="1.1"))
        await hanging.stream.aclose()


async def test_the_newest_get_wins(kind: Contexts | None) -> None:
    async with serving(kind) as server:
        await server.two()
        older = await server.hang(2)
        newer = await server.hang(2)
        assert await older.ended()
        await server.ask(post(1, 2, b"x"))
        assert await body(newer) == b"x"


async def test_signing_out_ends_it_without_an_answer(kind: Contexts | None) -> None:
    async with serving(kind) as server:
        await server.two()
        hanging = await server.hang(2)
        assert await server.ask(get("/sign_out?peer_id=2")) == (200, b"")
        assert await hanging.ended()


async def test_what_comes_for_one_that_has_closed_stays(kind: Contexts | None) -> None:
    async with serving(kind) as server:
        await server.two()
        for number in range(5):
            hanging = await server.hang(2)
            await hanging.stream.aclose()
            assert await server.ask(post(1, 2, b"%d" % number)) == (200, b"")
            assert await server.ask(get("/wait?peer_id=2")) == (200, b"%d" % number)


async def test_a_request_behind_one_that_hangs(kind: Contexts | None) -> None:
    async with serving(kind) as server:
        await server.two()
        client = await server.connect()
        await server.send(client, get("/wait?peer_id=2", version="1.1") + get("/nothing"))
        await server.ask(post(1, 2, b"x"))
        answers = [await client.answer() for _ in range(2)]
        assert [answer and answer.status for answer in answers] == [200, 404]
        await client.stream.aclose()


async def test_too_much_behind_one_that_hangs(kind: Contexts | None) -> None:
    async with serving(kind, head_bytes=1000) as server:
        await server.two()
        client = await server.hang(2)
        await client.send(b"x" * 2000)
        assert await client.ended()
        assert await server.ask(post(1, 2, b"x")) == (200, b"")
        assert await server.ask(get("/wait?peer_id=2")) == (200, b"x")


async def test_who_does_not_read_its_mail_has_it_with_its_next_get(kind: Contexts | None) -> None:
    async with serving(kind, **LARGE) as server:
        await server.two()
        large = b"x" * LARGE["body_bytes"]
        hanging = await server.hang(2)
        assert await server.ask(post(1, 2, large)) == (200, b"")
        assert await server.ask(post(1, 2, b"2")) == (200, b"")
        newer = await server.connect()
        await newer.send(get("/wait?peer_id=2"))
        assert await body(newer) == large
        assert await server.ask(get("/wait?peer_id=2")) == (200, b"2")
        await hanging.stream.aclose()


async def test_who_reads_slowly_has_all_of_it(kind: Contexts | None) -> None:
    async with serving(kind, **LARGE) as server:
        await server.two()
        large = b"x" * LARGE["body_bytes"]
        hanging = await server.hang(2)
        assert await server.ask(post(1, 2, large)) == (200, b"")
        answer = await hanging.answer()
        assert answer is not None
        assert answer.body == large
        # The connection goes on.
        await server.send(hanging, get("/wait?peer_id=2", version="1.1"))
        await server.ask(post(1, 2, b"2"))
        assert await body(hanging) == b"2"


async def test_times(kind: Contexts | None, mock_clock: trio.testing.MockClock) -> None:
    """Each of them ends, and is told or not."""
    # Time passes when nothing else does.
    mock_clock.autojump_threshold = 0.02
    limits = {"request_seconds": 0.2, "idle_seconds": 0.2, "poll_seconds": 0.2}
    async with serving(kind, **limits) as server:
        await server.two()
        if kind is None:
            assert await (await server.connect()).ended()
        slow = await server.connect()
        await slow.send(b"GET /nothing HT")
        answer = await slow.answer()
        assert answer is not None
        assert answer.status == 408
        await slow.stream.aclose()
        idle = await server.connect()
        await idle.send(get("/nothing", version="1.1"))
        assert await idle.answer() is not None
        assert await idle.ended()
        assert server.statistics.over_limit["request_seconds"] == 2 - (kind is not None)
        assert server.statistics.over_limit["idle_seconds"] == 1
        assert await server.ask(get("/wait?peer_id=2")) == (200, NO_NEWS)


async def test_a_server_that_ends_answers_whoever_waits(kind: Contexts | None) -> None:
    async with serving(kind) as server:
        await server.two()
        hanging = await server.hang(2)
        idle = await server.connect()
        await server.send(idle, get("/nothing", version="1.1"))
        assert await idle.answer() is not None
        partial = await server.connect()
        await partial.send(b"GET /nothing HT")
        lingering = await server.connect()
        await server.send(lingering, get("/nothing"))
        await has_read(transport(partial))
        await trio.testing.wait_all_tasks_blocked()
        server.scope.cancel()
        assert await body(hanging) == b"Server shutting down"
        assert await idle.ended()
        await partial.send(b"TP/1.0\r\n\r\n")
        answer = await partial.answer()
        assert answer is not None
        assert answer.status == 404
        for client in (partial, lingering):
            await client.stream.aclose()


async def test_who_goes_on_after_the_last_answer_is_closed_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accepted, "LINGER_SECONDS", 0.2)
    async with serving() as server:
        client = await server.connect()
        await server.send(client, get("/nothing"))
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await client.send(b"x" * 65536)
        await client.stream.aclose()
        await until(lambda: server.statistics.connections_open == 0)


async def test_a_chain_of_messages_is_no_deep_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind each GET that hangs there is a message for the next one that hangs."""
    count = 12
    depths: list[int] = []
    message = ClassicDialect._message

    def look(*args: Any) -> Any:
        depths.append(len(inspect.stack(0)))
        return message(*args)

    async with serving() as server:
        clients: list[Client] = []
        for _ in range(count):
            await server.ask(get("/sign_in?x"))
        for peer in range(1, count + 1):
            for _ in range(count - peer):
                assert (await server.ask(get(f"/wait?peer_id={peer}")))[1].endswith(b",1\n")
            clients.append(await server.connect())
        monkeypatch.setattr(ClassicDialect, "_message", look)
        for peer, client in enumerate(clients, 1):
            request = get(f"/wait?peer_id={peer}", version="1.1")
            if peer < count:
                request += post(peer, peer + 1, b"x", version="1.1")
            await server.send(client, request)
        assert await server.ask(post(count, 1, b"x")) == (200, b"")
        assert await body(clients[-1]) == b"x"
        assert len(depths) == count
        assert max(depths) - min(depths) < 10


async def test_an_unexpected_error_ends_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("of its own making")

    async with serving() as server:
        await server.two()
        hanging = await server.hang(2)
        monkeypatch.setattr(ClassicDialect, "_sign_out", fail)
        client = await server.connect()
        await client.send(get("/sign_out?peer_id=1"))
        assert await client.ended()
        assert server.statistics.failures == 1
        server.statistics.failures = 0
        await server.ask(post(1, 2, b"x"))
        assert await body(hanging) == b"x"
