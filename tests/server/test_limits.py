"""Over a limit: whoever is over it is told, it is counted, and nobody else notices."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from trio_rtc.server import ServerLimits
from trio_rtc.server.counters import Statistics
from trio_rtc.server.http import accepting as connections
from trio_rtc.server.http.requests import Request
from trio_rtc.server.http.responses import Response

from ..waiting import until
from .harness import Client, get, memory_server, post, tcp_server
from .native_client import NativeClient, connect, join

OVER: list[tuple[str, int, bytes, int]] = [
    ("head_bytes", 100, b"GET /" + b"x" * 200 + b" HTTP/1.0\r\n\r\n", 414),
    ("head_bytes", 100, b"GET / HTTP/1.0\r\nX: " + b"x" * 200 + b"\r\n\r\n", 431),
    ("header_count", 5, get("/", extra="X: y\r\n" * 6), 431),
    ("body_bytes", 10, post(1, 2, b"x" * 11), 413),
    ("body_bytes", 10, get("/", version="1.1", extra="Transfer-Encoding: chunked\r\n"), 413),
]


@pytest.mark.parametrize(("limit", "value", "request_", "status"), OVER)
async def test_requests(limit: str, value: int, request_: bytes, status: int) -> None:
    if b"chunked" in request_:
        request_ += b"b\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n"
    limits = ServerLimits(**{limit: value})
    async with memory_server(limits=limits) as server:
        assert (await server.ask(request_)).status == status
        counted = {name: count for name, count in server.statistics.over_limit.items() if count}
        assert counted == {limit: 1}
        await server.is_well()


@pytest.mark.parametrize(
    ("limit", "value"),
    [("peers", 2), ("peers_per_address", 2)],
)
async def test_peers(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.1")
    limits = ServerLimits(**{limit: value})
    async with memory_server(limits=limits) as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        refused = await server.ask(get("/sign_in?carol"))
        assert refused.status == 503
        assert refused.body.endswith(b".")
        assert server.statistics.over_limit[limit] == 1
        assert server.statistics.peers["classic"] == 2
        assert (await server.poll(alice)).body == b"bob,2,1\n"
        await server.ask(get(f"/sign_out?peer_id={bob}"))
        assert await server.sign_in("carol") == 3


async def test_another_address_has_peers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.1")
    async with memory_server(limits=ServerLimits(peers_per_address=1)) as server:
        await server.sign_in("alice")
        monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.2")
        assert await server.sign_in("bob") == 2


async def test_joins_per_second(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.1")
    limits = ServerLimits(joins_per_second=1, joins_burst=3)
    async with memory_server(limits=limits) as server:
        for _ in range(3):
            peer = await server.sign_in("alice")
            await server.ask(get(f"/sign_out?peer_id={peer}"))
        assert (await server.ask(get("/sign_in?alice"))).status == 503
        assert server.statistics.over_limit["joins_per_second"] == 1
        client = await connect(server)
        await client.say(type="hello", name="alice")
        assert await client.refusal() == ("joins_per_second", 4503, "no_place")
        await client.aclose()
        monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.2")
        assert await server.sign_in("bob") == 4
        monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.1")
        await trio.sleep(1)
        assert await server.sign_in("alice") == 5


async def test_messages_per_second(autojump_clock: trio.testing.MockClock) -> None:
    limits = ServerLimits(messages_per_second=2, messages_burst=5)
    async with memory_server(limits=limits) as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        statuses = [(await server.ask(post(alice, bob, b"x"))).status for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        assert server.statistics.over_limit["messages_per_second"] == 2
        assert (await server.ask(post(bob, alice, b"x"))).status == 200
        await trio.sleep(0.5)
        statuses = [(await server.ask(post(alice, alice, b"x"))).status for _ in range(2)]
        assert statuses == [200, 429]


async def test_times_are_counted(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        await server.sign_in("alice")
        bob = await server.sign_in("bob")
        slow = await server.connect()
        await slow.send(b"GET / HT")
        answer = await slow.answer()
        assert answer is not None
        assert answer.status == 408
        await slow.stream.aclose()
        stuck = await server.listener.connect_unread()
        await stuck.send_all(get(f"/wait?peer_id={bob}"))
        await server.ask(post(bob, bob, b"hello"))
        await trio.sleep(100)
        over = server.statistics.over_limit
        assert over["request_seconds"] == 1
        assert over["absent_seconds"] == 2
        assert server.statistics.peers["classic"] == 0
        await stuck.aclose()


async def test_connections_of_one_address() -> None:
    statistics = Statistics()
    limits = ServerLimits(connections_per_address=3)
    with trio.fail_after(60):
        async with tcp_server(limits=limits, statistics=statistics) as port:
            streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3)]
            clients = [Client(stream) for stream in streams]
            for client in clients:
                await client.send(get("/healthz", version="1.1"))
                assert await client.answer() is not None
            refused = Client(await trio.open_tcp_stream("127.0.0.1", port))
            answer = await refused.answer()
            assert answer is not None
            assert (answer.status, answer.header("Connection")) == (429, "close")
            assert statistics.over_limit["connections_per_address"] == 1
            # The others go on, and when one ends there is place.
            await clients[0].send(get("/healthz", version="1.1"))
            assert await clients[0].answer() is not None
            await refused.stream.aclose()
            await streams[0].aclose()
            await until(lambda: statistics.connections_open == 2)
            again = Client(await trio.open_tcp_stream("127.0.0.1", port))
            await again.send(get("/healthz"))
            answer = await again.answer()
            assert answer is not None
            assert answer.status == 200
            for stream in (*streams, again.stream):
                await stream.aclose()


async def test_a_flood_of_connections_is_not_even_answered() -> None:
    statistics = Statistics()
    limits = ServerLimits(connections_per_address=3)
    with trio.fail_after(60):
        async with tcp_server(limits=limits, statistics=statistics) as port:
            streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(30)]
            await until(lambda: statistics.connections == 30)
            assert statistics.over_limit["connections_per_address"] == 27
            await until(lambda: statistics.connections_open == 6)
            for stream in streams:
                await stream.aclose()
            await until(lambda: statistics.connections_open == 0)


async def test_connections_and_requests_are_counted() -> None:
    async with memory_server() as server:
        client = await server.connect()
        for _ in range(3):
            await client.send(get("/nothing", version="1.1"))
            assert await client.answer() is not None
        assert server.statistics.connections_open == 1
        await client.stream.aclose()
        await server.ask(b"nonsense")
        await trio.testing.wait_all_tasks_blocked()
        counted = server.statistics
        assert (counted.connections, counted.connections_open) == (2, 0)
        assert (counted.requests, counted.malformed) == (3, 1)


async def test_health_and_more_routes() -> None:
    def page(request: Request) -> Response:
        return Response(200, "OK", b"<p>" + request.query, "text/html; charset=utf-8")

    async with memory_server(routes={"/page": page}) as server:
        answer = await server.ask(get("/healthz"))
        assert (answer.status, answer.body) == (200, b"ok")
        answer = await server.ask(get("/page?x"))
        assert (answer.status, answer.body) == (200, b"<p>x")
        assert answer.header("Content-Type") == "text/html; charset=utf-8"
        for path in ("/healthz", "/page"):
            answer = await server.ask(f"POST {path} HTTP/1.0\r\n\r\n".encode())
            assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD")
        client = await server.connect()
        await client.send(b"HEAD /page HTTP/1.0\r\n\r\n")
        assert b"Content-Length: 3" in await client.informational()
        assert await client.ended()


async def test_requests_per_second(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those over the limit are told so, whatever they ask for, and those far over it are not."""
    monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.1")
    limits = ServerLimits(requests_per_second=10, requests_burst=3)
    async with memory_server(limits=limits) as server:
        client = await server.connect()
        for path, status in (("/healthz", 200), ("/nothing", 404), ("/", 200), ("/healthz", 429)):
            await client.send(get(path, version="1.1"))
            answer = await client.answer()
            assert answer is not None
            assert answer.status == status
        assert answer is not None
        assert answer.body == (
            b"There are too many requests from your address: 10 may come in a second."
        )
        assert await client.ended()
        assert server.statistics.over_limit["requests_per_second"] == 1
        handshake = NativeClient(await server.listener.connect())
        assert (await handshake.open()).status_code == 429
        await handshake.aclose()
        refused = 2
        while True:
            client = await server.connect()
            try:
                await client.send(get("/healthz"))
            except trio.BrokenResourceError:
                break
            if (answer := await client.answer()) is None:
                break
            assert answer.status == 429
            refused += 1
            await client.stream.aclose()
        assert refused == 100
        monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.2")
        assert (await server.ask(get("/healthz"))).status == 200
        monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.1")
        await trio.sleep(2)
        assert (await server.ask(get("/healthz"))).status == 200


async def test_resumes_per_second(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes too early is not the end of the session."""
    monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.1")
    limits = ServerLimits(joins_per_second=1, joins_burst=3)
    async with memory_server(limits=limits) as server:
        alice = await join(server, "alice")
        for number in range(4):
            await alice.aclose()
            alice_again = await connect(server)
            await alice_again.say(type="resume", session=alice.session, received=0)
            if number < 3:
                assert (await alice_again.hear())["type"] == "resumed"
            else:
                assert await alice_again.refusal() == ("joins_per_second", 4429, "too_fast")
            await alice_again.aclose()
        assert server.statistics.over_limit["joins_per_second"] == 1
        await trio.sleep(2)
        alice_again = await connect(server)
        assert (await alice_again.resume(alice.session, 0))["type"] == "resumed"
        await alice_again.aclose()


@pytest.mark.parametrize("value", [0, -1, float("nan")])
@pytest.mark.parametrize("limit", ["joins_per_second", "peers", "send_seconds"])
def test_a_limit_of_nothing_is_none(limit: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{limit} is .* not above 0"):
        ServerLimits(**{limit: value})
