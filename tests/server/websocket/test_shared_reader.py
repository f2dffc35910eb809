"""One task reads from all open WebSockets; nobody is heard less for that."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
import trio.testing

from trio_rtc.server.context import Context
from trio_rtc.server.http.accepted import Accepted
from trio_rtc.server.hub.flush_batches import FlushBatch
from trio_rtc.server.websocket import shared_reader
from trio_rtc.server.websocket.frames import Receiver, WebSocket
from trio_rtc.server.websocket.shared_reader import TURN_BYTES, SharedReader

from .websocket_serving import Echo, serving, tcp_pair


def tasks_living() -> int:
    return trio.lowlevel.current_statistics().tasks_living


def no_task(*_: object) -> None:
    raise AssertionError("nothing takes time here")


@contextmanager
def reading(streams: list[trio.SocketStream], flush_batch: FlushBatch) -> Iterator[SharedReader]:
    """A reader of these streams."""
    with SharedReader(flush_batch) as reader:
        for stream in streams:
            websocket = WebSocket(Accepted(stream), Context(), no_task, no_task)
            assert reader.add(websocket)
        yield reader


async def run_until_blocked(
    reader: SharedReader, receive: Callable[[WebSocket, bytes], None]
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run, receive)
        await trio.testing.wait_all_tasks_blocked(0.05)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("available", [True, False])
async def test_an_idle_socket_has_no_task(available: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reader, "AVAILABLE", available and shared_reader.AVAILABLE)
    before: list[int] = []

    async def count(websocket: WebSocket) -> Receiver | None:
        before.append(tasks_living())
        return Echo(websocket)

    async with serving(*await tcp_pair(), count) as speaker:
        await speaker.send("x")
        assert await speaker.receive() == "x"
        await trio.testing.wait_all_tasks_blocked()
        assert tasks_living() == before[0] - shared_reader.AVAILABLE
        await speaker.send("y" * 100_000)
        assert await speaker.receive() == "y" * 100_000


async def test_a_stream_that_is_no_socket_keeps_its_task() -> None:
    _, server = trio.testing.memory_stream_pair()
    with reading([], FlushBatch()) as reader:
        assert not reader.add(WebSocket(Accepted(server), Context(), no_task, no_task))


async def test_data_ends_and_resets() -> None:
    pairs = [await tcp_pair() for _ in range(3)]
    heard: dict[trio.abc.Stream, list[bytes]] = {server: [] for _, server in pairs}

    def receive(websocket: WebSocket, data: bytes) -> None:
        heard[websocket.accepted.stream].append(data)
        if not data:
            reader.remove(websocket)

    with reading([server for _, server in pairs], FlushBatch()) as reader:
        await pairs[0][0].send_all(b"said")
        await pairs[1][0].send_eof()
        pairs[2][0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pairs[2][0].socket.close()
        await run_until_blocked(reader, receive)
    assert list(heard.values()) == [[b"said"], [b""], [b""]]
    for client, server in pairs:
        client.socket.close()
        server.socket.close()


async def test_one_that_is_removed_is_not_heard_any_more() -> None:
    """Both have said something when either is heard."""
    pairs = [await tcp_pair() for _ in range(2)]
    websockets: list[WebSocket] = []
    heard: list[WebSocket] = []

    def receive(websocket: WebSocket, data: bytes) -> None:
        heard.append(websocket)
        for other in websockets:
            if other is not websocket:
                reader.remove(other)

    with SharedReader(FlushBatch()) as reader:
        for client, server in pairs:
            websockets.append(WebSocket(Accepted(server), Context(), no_task, no_task))
            assert reader.add(websockets[-1])
            await client.send_all(b"x")
        await run_until_blocked(reader, receive)
    assert len(heard) == 1
    for client, server in pairs:
        client.socket.close()
        server.socket.close()


async def test_what_comes_in_one_turn_is_answered_in_one() -> None:
    pairs = [await tcp_pair() for _ in range(3)]
    order: list[str] = []
    flush_batch = FlushBatch()

    class Connection:
        def flush(self) -> None:
            order.append("flushed")

    connection = Connection()

    def receive(websocket: WebSocket, data: bytes) -> None:
        order.append("heard")
        flush_batch.mark(connection)

    with reading([server for _, server in pairs], flush_batch) as reader:
        for client, _ in pairs:
            await client.send_all(b"x")
        await run_until_blocked(reader, receive)
    assert order == ["heard", "heard", "heard", "flushed"]
    for client, server in pairs:
        client.socket.close()
        server.socket.close()


async def test_a_flood_leaves_others_their_turn() -> None:
    client, server = await tcp_pair()
    pieces = 0
    pieces_at_a_turn: list[int] = []

    def receive(websocket: WebSocket, data: bytes) -> None:
        nonlocal pieces
        pieces += 1

    async def take_turns() -> None:
        while True:
            before = pieces
            await trio.lowlevel.checkpoint()
            pieces_at_a_turn.append(pieces - before)

    with reading([server], FlushBatch()) as reader, trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.run, receive)
            nursery.start_soon(take_turns)
            for _ in range(40):
                await client.send_all(b"x" * 100_000)
            nursery.cancel_scope.cancel()
    assert pieces > 10
    # Trio does not say which of two tasks has its turn first.
    assert max(pieces_at_a_turn) <= 2 * 4
    client.socket.close()
    server.socket.close()


async def test_a_flood_on_many_connections_leaves_others_their_turn() -> None:
    pairs = [await tcp_pair() for _ in range(100)]
    heard: dict[trio.abc.Stream, int] = {server: 0 for _, server in pairs}
    total = 0
    bytes_at_a_turn: list[int] = []

    def receive(websocket: WebSocket, data: bytes) -> None:
        nonlocal total
        total += len(data)
        heard[websocket.accepted.stream] += len(data)

    async def take_turns() -> None:
        while min(heard.values()) < 20_000:
            before = total
            await trio.lowlevel.checkpoint()
            bytes_at_a_turn.append(total - before)

    for client, _ in pairs:
        await client.send_all(b"x" * 50_000)
    with reading([server for _, server in pairs], FlushBatch()) as reader, trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.run, receive)
            await take_turns()
            nursery.cancel_scope.cancel()
    # The last look may go as far again. And Trio does not say which of two tasks is first.
    assert max(bytes_at_a_turn) <= 2 * 2 * TURN_BYTES
    # None is far ahead of the others.
    assert max(heard.values()) < 30_000
    for client, server in pairs:
        client.socket.close()
        server.socket.close()
