"""Clients that take their time, at every stage of a connection: each has an end, others go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from trio_rtc.server import ServerLimits

from ..harness import MemoryServer, memory_server
from ..native_client import NativeClient, join, pair, serves
from ..ws_client import frame, handshake, text

POST = b"POST /message?peer_id=1&to=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"
HELLO = text('{"type":"hello","name":"slow"}')

#: What has been sent already, what follows it a byte at a time, and how long that may last.
STAGES = {
    "request_line": (b"", b"GET /" + b"x" * 9000, 21),
    "headers": (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 2000, 21),
    "body": (POST, b"x" * 9000, 21),
    "empty_lines": (b"", b"\r\n" * 5000, 21),
    "handshake": (b"", handshake()[:-2] + b"X: y\r\n" * 2000, 21),
    "hello": (handshake(), text("x" * 9000), 13),
    "hello_in_fragments": (handshake(), text("x", fin=False) + frame(0, fin=False) * 3000, 13),
    # Who sends a frame that does not end cannot answer a ping in between.
    "frame": (handshake() + HELLO, text("x" * 9000), 45),
    "ping": (handshake() + HELLO, frame(9, b"x" * 120) * 100, 45),
    "fragments_without_pongs": (
        handshake() + HELLO + text("x", fin=False), frame(0, fin=False) * 3000, 45
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "slow", "seconds"), STAGES.values(), ids=STAGES)
async def test_a_byte_at_a_time(
    before: bytes, slow: bytes, seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    async with memory_server() as server:
        await trio.testing.wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        client = await server.connect()
        await client.send(before)
        started = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def drip() -> None:
                for number, byte in enumerate(slow):
                    await trio.sleep(1)
                    if not number % 5:
                        with trio.CancelScope(shield=True):
                            await serves(server)
                    await send(client.stream, bytes([byte]))

            nursery.start_soon(drip)
            await client.ended()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - started <= seconds
        await client.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert server.statistics.connections_open == server.statistics.failures == 0


async def send(stream: trio.abc.Stream, data: bytes) -> None:
    try:
        await stream.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def unread(server: MemoryServer) -> NativeClient:
    """A client on a stream that holds nothing: the server can send only while it is read."""
    client = NativeClient(await server.listener.connect_unread())
    await client.open()
    await client.join("unread")
    return client


async def slow_reader(client: NativeClient) -> None:
    while await client.stream.receive_some(1):  # noqa: ASYNC110
        await trio.sleep(1)


async def no_reader(client: NativeClient) -> None:
    await trio.sleep_forever()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (statistics wake nobody)
        await trio.sleep(0.1)


@pytest.mark.parametrize("read", [no_reader, slow_reader])
async def test_who_does_not_read_is_cut_off_and_disturbs_nobody(
    read: Callable[[NativeClient], Awaitable[None]], autojump_clock: trio.testing.MockClock
) -> None:
    limits = ServerLimits(send_seconds=20, ping_seconds=10_000)
    async with memory_server(limits=limits) as server, pair(server) as (alice, bob):
        stuck = await unread(server)
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, stuck)
            for seq in range(1, 30):
                await alice.say(type="send", seq=seq, to=stuck.id, data="x" * 10_000)
                await alice.say(type="send", seq=seq, to=bob.id, data="x")
            # All of that happens at once for whoever does read.
            await bob.hear_all()
            assert trio.current_time() == started
            await until(lambda: server.statistics.over_limit["send_seconds"] > 0)
            nursery.cancel_scope.cancel()
        assert 20 <= trio.current_time() - started <= 23
        # The session waits for a connection that does better.
        other = NativeClient(await server.listener.connect())
        await other.open()
        assert (await other.resume(stuck.session, 0))["type"] == "resumed"
        told = await other.hear_all()
        assert len([one for one in told if one["type"] == "message"]) == 29
        await stuck.aclose()
        await other.aclose()


async def test_who_does_not_even_read_the_close(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        await trio.testing.wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        stuck = await unread(server)
        await stuck.stream.send_all(text("nonsense"))
        started = trio.current_time()
        await until(lambda: server.statistics.connections_open == 0)
        assert trio.current_time() - started <= 5
        await stuck.aclose()
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        await serves(server)


async def test_a_flood_of_one_does_not_delay_another() -> None:
    """Both get their turns: an answer comes long before the flood is over."""
    limits = ServerLimits(messages_per_second=10**6, messages_burst=10**6)
    async with memory_server(limits=limits) as server, pair(server) as (alice, bob):
        done = False

        async def flood() -> None:
            nonlocal done
            for _ in range(2000):
                await alice.send_raw(text('{"type":"ack","received":0}') * 20)
            done = True

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await bob.say(type="send", seq=1, to=bob.id, data="x")
            assert (await bob.hear())["data"] == "x"
            assert not done
            nursery.cancel_scope.cancel()


async def test_many_slow_ones_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        clients = [await server.connect() for _ in range(300)]
        for number, client in enumerate(clients):
            await client.send((handshake() + HELLO)[: number + 1])
        healthy = await join(server, "healthy")
        await trio.sleep(1)
        await healthy.say(type="send", seq=1, to=healthy.id, data="x")
        while (await healthy.hear())["type"] != "message":
            pass
        await trio.sleep(60)
        assert server.statistics.failures == 0
        for client in clients:
            await client.stream.aclose()
        await healthy.aclose()
        await serves(server)
