"""The end of the server, what it counts and what it logs, with peers of both protocols."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest
import trio
import trio.testing
from websockets.frames import Close

from trio_rtc.server.authorize import Admission, JoinRequest
from trio_rtc.server.counters import Statistics
from trio_rtc.server.dialects.native.native_member import Session
from trio_rtc.server.metrics import metrics_route
from trio_rtc.server.websocket.frames import WebSocket

from ..harness import get, memory_server, post
from ..native_client import NativeClient, connect, join, pair


def tasks_living() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def test_everybody_is_told_of_the_end(autojump_clock: trio.testing.MockClock) -> None:
    before = tasks_living()
    async with memory_server(drain_seconds=30) as server, pair(server) as (alice, bob):
        unopened = await connect(server)
        classic = await server.sign_in("classic")
        hanging = await server.hang(classic)
        await alice.say(type="send", seq=1, to=bob.id, data="last words")
        await trio.testing.wait_all_tasks_blocked()
        started = trio.current_time()
        server.scope.cancel()
        assert [one["type"] for one in [await bob.hear(), await bob.hear()]] == [
            "joined",
            "message",
        ]
        for client in (alice, bob, unopened):
            assert await client.closed() == (1001, "server_shutdown")
        answer = await hanging.answer()
        assert answer is not None
        assert answer.body == b"Server shutting down"
        await hanging.stream.aclose()
        await unopened.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert server.statistics.connections_open == 0
        # Those who close in order make the end quick.
        assert trio.current_time() == started
    assert tasks_living() == before


async def test_who_does_not_close_has_two_seconds(autojump_clock: trio.testing.MockClock) -> None:
    before = tasks_living()
    async with memory_server(drain_seconds=30) as server:
        client = await join(server, "alice")
        client.pongs = False
        stuck = await server.listener.connect_unread()
        await trio.testing.wait_all_tasks_blocked()
        started = trio.current_time()
        server.scope.cancel()
        assert await client.receive() == Close(1001, "server_shutdown")
        while not client.protocol.reader.eof:
            await client._receive()
        assert trio.current_time() - started == pytest.approx(2, abs=0.1)
        await client.aclose()
        await stuck.aclose()
    assert tasks_living() == before


async def test_the_drain_ends_those_who_do_not_read(autojump_clock: trio.testing.MockClock) -> None:
    before = tasks_living()
    async with memory_server(drain_seconds=1) as server:
        client = NativeClient(await server.listener.connect_unread())
        await client.open()
        await client.join("alice")
        sender = await join(server, "bob")
        for seq in range(1, 10):
            await sender.say(type="send", seq=seq, to=client.id, data="x" * 10_000)
        await trio.testing.wait_all_tasks_blocked()
        started = trio.current_time()
        server.scope.cancel()
    assert trio.current_time() - started <= 1.01
    assert tasks_living() == before
    for one in (client, sender):
        await one.aclose()


async def test_who_is_being_admitted_is_turned_away() -> None:
    admitted = trio.Event()

    async def authorize(request: JoinRequest) -> Admission:
        await admitted.wait()
        return Admission(name=request.name, room=request.room)

    async with memory_server(authorize=authorize) as server:
        client = await connect(server)
        await client.say(type="hello", name="alice")
        await trio.testing.wait_all_tasks_blocked()
        server.scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        admitted.set()
        assert await client.closed() == (1001, "server_shutdown")
        assert server.statistics.joined["native"] == 0
        await client.aclose()


async def test_all_of_it_is_counted(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", trio.current_time)
    statistics = Statistics()
    routes = {"/metrics": metrics_route(statistics)}
    async with memory_server(statistics=statistics, routes=routes) as server:
        async with pair(server) as (alice, bob):
            classic = await server.sign_in("classic")
            await alice.say(type="send", seq=1, to=bob.id, data="12345")
            await server.ask(post(classic, alice.id, b"123"))
            again = await connect(server)
            await again.resume(bob.session, 0)
            assert (await bob.closed())[0] == 4409
            await trio.testing.wait_all_tasks_blocked()
            values = await metrics(server)
            assert values["joined_total", "native"] == values["peers", "native"] == 2
            assert values["joined_total", "classic"] == values["peers", "classic"] == 1
            assert values["websockets_total", ""] == 3
            assert values["websockets_open", ""] == 2
            assert values["messages_total", ""] == 2
            assert values["message_bytes_total", ""] == 8
            assert values["resumed_total", ""] == values["rooms", ""] == 1
            assert values["malformed_total", ""] == values["failures_total", ""] == 0
            # An answer is good for a second.
            await trio.sleep(1.1)
            await again.send("nonsense")
            assert (await again.closed())[0] == 4400
            assert (await metrics(server))["malformed_total", ""] == 1
            await again.aclose()
        await trio.sleep(1.1)
        values = await metrics(server)
        # They are without a connection, but present.
        assert (values["websockets_open", ""], values["peers", "native"]) == (0, 2)


async def metrics(server: Any) -> dict[tuple[str, str], float]:
    answer = await server.ask(get("/metrics"))
    values: dict[tuple[str, str], float] = {}
    for line in answer.body.decode().splitlines():
        if line.startswith("trio_rtc_"):
            key, value = line.removeprefix("trio_rtc_").split()
            name, _, label = key.partition("{")
            values[name, label.partition('"')[2].partition('"')[0]] = float(value)
    return values


def fields(record: logging.LogRecord) -> dict[str, Any]:
    names = ("peer", "room", "connection", "address", "peer_name", "why")
    return {name: vars(record)[name] for name in names if name in vars(record)}


async def test_the_log_tells_whom_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "trio_rtc.server")
    async with memory_server() as server:
        native = await join(server, "new", room="den")
        await native.say(type="leave")
        await native.closed()
        await native.aclose()
        await trio.testing.wait_all_tasks_blocked()
        classic = await server.sign_in("old")
        await server.ask(get(f"/sign_out?peer_id={classic}"))
        await server.ask(get(f"/wait?peer_id={classic}"))
    told = [(record.getMessage(), fields(record)) for record in caplog.records]
    here = {"address": ""}
    gone = "No peer 2 is signed in; it may have been too silent."
    new, old = {"peer": 1, "room": "den"}, {"peer": 2, "room": ""}
    assert told == [
        ("connected", {**here, **new, "connection": 1, "peer_name": "new"}),
        ("left", new),
        ("disconnected", {**here, **new, "connection": 1}),
        ("joined", {**here, **old, "connection": 2, "peer_name": "old"}),
        ("left", old),
        ("refused", {**here, "connection": 4, "why": gone}),
    ]


@pytest.mark.parametrize("end", ["leave", "gone"])
async def test_nothing_is_left_of_a_session(
    end: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with memory_server() as server:
        await trio.testing.wait_all_tasks_blocked()
        before = tasks_living()
        for _ in range(20):
            client = await join(server, "x", room="den")
            if end == "leave":
                await client.say(type="leave")
                await client.closed()
            await client.aclose()
        await trio.sleep(65)
        assert tasks_living() == before
        assert server.statistics.peers["native"] == server.statistics.rooms == 0
        gc.collect()
        kept = [thing for thing in gc.get_objects() if isinstance(thing, Session | WebSocket)]
        assert kept == []
