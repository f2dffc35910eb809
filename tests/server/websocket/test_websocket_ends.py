"""Connections that end in the middle of something, or for both sides at once."""

from __future__ import annotations

import logging
import socket
import struct

import pytest
import trio
import trio.testing
from websockets.frames import Close

from trio_rtc.server.counters import Statistics

from ..harness import MemoryServer, memory_server, tcp_server
from ..native_client import NativeClient, connect, join, pair, serves
from ..ws_client import frame, handshake, text

CLOSE = frame(8, struct.pack("!H", 1000))

#: All that a client says in a session with itself, from the handshake to the end.
WHOLE = (
    handshake()
    + text('{"type":"hello","name":"x"}')
    + text('{"type":"send","seq":1,"to":1,"data":"to myself"}', fin=False)
    + frame(9, b"ping")
    + frame(0)
    + text('{"type":"ack","received":0}')
    + text('{"type":"leave"}')
    + CLOSE
)


def tasks_living() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def test_the_whole_of_it_goes_through() -> None:
    async with memory_server() as server:
        client = await server.connect()
        await client.send(WHOLE)
        assert not await client.ended()
        assert server.statistics.joined["native"] == server.statistics.messages == 1
        assert server.statistics.malformed == server.statistics.rooms == 0
        await client.stream.aclose()


async def test_an_end_after_any_byte_that_the_client_sends(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with memory_server() as server:
        await trio.testing.wait_all_tasks_blocked()
        before = tasks_living()
        for size in range(len(WHOLE)):
            client = await server.connect()
            await client.send(WHOLE[:size])
            if size % 2:
                await trio.testing.wait_all_tasks_blocked()
            await client.stream.aclose()
        await trio.sleep(70)
        check_clean(server.statistics, caplog)
        assert tasks_living() == before
        await serves(server)


async def test_an_end_after_any_byte_that_the_client_receives(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with memory_server() as server:
        await trio.testing.wait_all_tasks_blocked()
        before = tasks_living()
        size, whole = 0, False
        while not whole:
            stream = await server.listener.connect_unread()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send, stream, WHOLE)
                received = 0
                while received < size and not whole:
                    data = await stream.receive_some(size - received)
                    received += len(data)
                    whole = not data
                nursery.cancel_scope.cancel()
            await stream.aclose()
            size += 1
        assert size > 200
        await trio.sleep(70)
        check_clean(server.statistics, caplog)
        assert tasks_living() == before
        await serves(server)


async def send(stream: trio.abc.Stream, data: bytes) -> None:
    try:
        await stream.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def test_a_reset_after_any_byte(caplog: pytest.LogCaptureFixture) -> None:
    statistics = Statistics()
    with trio.fail_after(100):
        async with tcp_server(statistics=statistics) as port:
            for size in range(len(WHOLE)):
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                await stream.send_all(WHOLE[:size])
                if size % 3 == 1:
                    await trio.testing.wait_all_tasks_blocked(0.001)
                if size % 3 == 2 and size > 300:
                    await stream.receive_some(100)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.socket.close()
            client = NativeClient(await trio.open_tcp_stream("127.0.0.1", port))
            await client.open()
            await client.join("somebody else", room="elsewhere")
            while statistics.connections_open > 1:  # noqa: ASYNC110
                await trio.sleep(0.01)
            await client.aclose()
    assert statistics.failures == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def check_clean(statistics: Statistics, caplog: pytest.LogCaptureFixture) -> None:
    assert statistics.connections_open == statistics.websockets_open == statistics.failures == 0
    assert statistics.peers["native"] == statistics.rooms == 0
    assert statistics.malformed == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def supersede(server: MemoryServer, client: NativeClient) -> None:
    other = await connect(server)
    await other.resume(client.session, 0)
    await other.aclose()


@pytest.mark.parametrize("first", ["client", "server"])
async def test_closes_that_cross(first: str, autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        await trio.testing.wait_all_tasks_blocked()
        before = tasks_living()
        client = await join(server, "x")
        client.pongs = False
        if first == "client":
            await client.send_raw(CLOSE)
            await supersede(server, client)
        else:
            await supersede(server, client)
            await client.send_raw(CLOSE)
        got = await client.receive()
        assert isinstance(got, Close)
        assert got.code in (1000, 4409)
        await client.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert tasks_living() == before
        assert server.statistics.failures == server.statistics.malformed == 0


async def test_what_comes_right_before_a_close_counts() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        said = f'{{"type":"send","seq":1,"to":{bob.id},"data":"x"}}'
        await alice.send_raw(text(said) + CLOSE)
        assert (await alice.closed())[0] == 1000
        assert (await bob.hear())["data"] == "x"
        again = await connect(server)
        assert await again.resume(alice.session, 1) == {"type": "resumed", "received": 1}
        await again.aclose()


async def test_what_comes_behind_a_close_is_not_heard() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        said = f'{{"type":"send","seq":1,"to":{bob.id},"data":"x"}}'
        await alice.send_raw(CLOSE + text(said) + frame(9) + b"\xff\xff nonsense")
        assert (await alice.closed())[0] == 1000
        assert await bob.hear_all() == []
        assert server.statistics.malformed == 0


async def test_a_leave_with_a_close_behind_it() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        await alice.send_raw(text('{"type":"leave"}') + CLOSE)
        assert (await alice.closed())[0] == 1000
        assert await bob.hear() == {"type": "left", "seq": 1, "id": alice.id}
        assert server.statistics.malformed == 0


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_a_close_of_the_client_does_not_end_the_session(code: int) -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        await alice.send_raw(frame(8, struct.pack("!H", code) + b"later"))
        assert (await alice.closed())[0] == code
        again = await connect(server)
        assert (await again.resume(alice.session, 1))["type"] == "resumed"
        assert await bob.hear_all() == []
        await again.aclose()


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
async def test_close_codes_that_nobody_may_send(code: int) -> None:
    async with memory_server() as server, pair(server) as (alice, _):
        await alice.send_raw(frame(8, struct.pack("!H", code)))
        assert await alice.closed() == (1002, "protocol_error")
        assert server.statistics.malformed == 1
        await serves(server)


async def test_a_ping_behind_a_message_that_is_too_long() -> None:
    async with memory_server() as server, pair(server) as (alice, _):
        await alice.send_raw(text("x" * 300_000) + frame(9, b"?"))
        assert await alice.closed() == (1009, "message_too_big")
        await alice.send_raw(frame(9, b"?"))
        await serves(server)
