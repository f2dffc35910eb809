"""One task reads from all open WebSockets; nobody is heard less for that."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
import trio.testing

from trio_rtc.server.http import shared_reader
from trio_rtc.server.http.shared_reader import SharedReader, read_at_once
from trio_rtc.server.scheduling.flush_batches import FlushBatch
from trio_rtc.server.scheduling.turns import Turns
from trio_rtc.server.websocket.frames import Receiver, WebSocket

from ..websocket.websocket_serving import Echo, serving, tcp_pair

PIECE = 4096


def tasks_living() -> int:
    return trio.lowlevel.current_statistics().tasks_living


class Hearer:
    """Hears what comes on a stream, in pieces."""

    def __init__(
        self,
        reader: SharedReader,
        stream: trio.SocketStream,
        receive: Callable[[trio.SocketStream, bytes], None],
        client_network: str = "",
    ):
        self._stream = stream
        self._hear = receive
        self.client_network = client_network
        assert reader.add(stream, self)

    def read(self, descriptor: int) -> float:
        data = read_at_once(descriptor, PIECE)
        assert data is not None
        self._hear(self._stream, data)
        return 0.0


@contextmanager
def reading(
    streams: list[trio.SocketStream],
    receive: Callable[[trio.SocketStream, bytes], None],
    flush_batch: FlushBatch | None = None,
) -> Iterator[SharedReader]:
    """A reader of these streams, each of a client_network of its own."""
    with SharedReader(Turns(flush_batch or FlushBatch())) as reader:
        for number, stream in enumerate(streams):
            Hearer(reader, stream, receive, client_network=f"{number}")
        yield reader


async def run_until_blocked(reader: SharedReader) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        nursery.start_soon(reader.turns.run)
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
    with reading([], lambda *_: None) as reader:
        assert not reader.add(server, _Nobody())


class _Nobody:
    client_network = ""

    def read(self, descriptor: int) -> float:
        raise AssertionError("nobody reads")


async def test_data_ends_and_resets() -> None:
    pairs = [await tcp_pair() for _ in range(3)]
    heard: dict[trio.abc.Stream, list[bytes]] = {server: [] for _, server in pairs}

    def receive(stream: trio.SocketStream, data: bytes) -> None:
        heard[stream].append(data)
        if not data:
            reader.remove(stream)

    with reading([server for _, server in pairs], receive) as reader:
        await pairs[0][0].send_all(b"said")
        await pairs[1][0].send_eof()
        pairs[2][0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pairs[2][0].socket.close()
        await run_until_blocked(reader)
    assert list(heard.values()) == [[b"said"], [b""], [b""]]
    close(pairs)


def close(pairs: list[tuple[trio.SocketStream, trio.SocketStream]]) -> None:
    for pair in pairs:
        for stream in pair:
            stream.socket.close()


async def test_one_that_is_removed_is_not_heard_any_more() -> None:
    """Both have said something when either is heard."""
    pairs = [await tcp_pair() for _ in range(2)]
    heard: list[trio.abc.Stream] = []

    def receive(stream: trio.SocketStream, data: bytes) -> None:
        heard.append(stream)
        for _, other in pairs:
            if other is not stream:
                reader.remove(other)

    with reading([server for _, server in pairs], receive) as reader:
        for client, _ in pairs:
            await client.send_all(b"x")
        await run_until_blocked(reader)
    assert len(heard) == 1
    close(pairs)


async def test_one_that_is_removed_while_it_waits_for_a_turn() -> None:
    pairs = [await tcp_pair() for _ in range(3)]
    heard: list[trio.abc.Stream] = []

    def receive(stream: trio.SocketStream, data: bytes) -> None:
        heard.append(stream)

    with reading([server for _, server in pairs], receive) as reader:
        # The turn is over: all have to wait for the next one.
        reader.turns.take(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.turns.run)
            await trio.testing.wait_all_tasks_blocked()
            for client, _ in pairs:
                await client.send_all(b"x")
            reader.turns.put("0", lambda: reader.remove(pairs[1][1]) or 0.0)  # type: ignore[func-returns-value]
            nursery.start_soon(reader.run)
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
    assert set(heard) == {pairs[0][1], pairs[2][1]}
    close(pairs)


async def test_what_comes_in_one_turn_is_answered_in_one() -> None:
    pairs = [await tcp_pair() for _ in range(3)]
    order: list[str] = []
    flush_batch = FlushBatch()

    class Connection:
        def flush(self) -> None:
            order.append("flushed")

    connection = Connection()

    def receive(stream: trio.SocketStream, data: bytes) -> None:
        order.append("heard")
        flush_batch.mark(connection)

    with reading([server for _, server in pairs], receive, flush_batch) as reader:
        for client, _ in pairs:
            await client.send_all(b"x")
        await run_until_blocked(reader)
    assert order == ["heard", "heard", "heard", "flushed"]
    close(pairs)


async def test_a_flood_leaves_others_their_turn() -> None:
    client, server = await tcp_pair()
    pieces = 0
    pieces_at_a_turn: list[int] = []

    def receive(stream: trio.SocketStream, data: bytes) -> None:
        nonlocal pieces
        pieces += 1

    async def take_turns() -> None:
        while True:
            before = pieces
            await trio.lowlevel.checkpoint()
            pieces_at_a_turn.append(pieces - before)

    with reading([server], receive) as reader, trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.run)
            nursery.start_soon(take_turns)
            for _ in range(40):
                await client.send_all(b"x" * 100_000)
            nursery.cancel_scope.cancel()
    assert pieces > 10
    # Trio does not say which of two tasks has its turn first.
    assert max(pieces_at_a_turn) <= 2 * 4
    close([(client, server)])


async def test_of_many_who_flood_none_is_far_ahead(mock_clock: trio.testing.MockClock) -> None:
    """Each piece takes a turn: so all but the first wait for theirs."""
    pairs = [await tcp_pair() for _ in range(50)]
    heard: dict[trio.abc.Stream, int] = {server: 0 for _, server in pairs}
    ahead = 0

    def receive(stream: trio.SocketStream, data: bytes) -> None:
        nonlocal ahead
        reader.turns.take(1)
        heard[stream] += len(data)
        ahead = max(ahead, heard[stream] - min(heard.values()))

    for client, _ in pairs:
        await client.send_all(b"x" * 20_000)
    with reading([server for _, server in pairs], receive) as reader:
        await run_until_blocked(reader)
    assert set(heard.values()) == {20_000}
    assert ahead <= 3 * PIECE
    close(pairs)


async def test_a_task_waits_for_its_socket_and_its_turn() -> None:
    client, server = await tcp_pair()
    came: list[bytes | None] = []

    async def wait() -> None:
        await reader.wait(server, "a")
        came.append(read_at_once(server.socket.fileno(), PIECE))

    with reading([], lambda *_: None) as reader:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.run)
            nursery.start_soon(reader.turns.run)
            await trio.testing.wait_all_tasks_blocked()
            # Nothing comes, and it is cancelled.
            with trio.move_on_after(0.01):
                await wait()
            for said in (b"first", b"second"):
                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                await client.send_all(said)
                await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
    assert came == [b"first", b"second"]
    close([(client, server)])


async def test_tasks_go_on_when_the_reader_ends() -> None:
    client, server = await tcp_pair()
    done = trio.Event()

    async def wait() -> None:
        while read_at_once(server.socket.fileno(), PIECE) is None:
            await reader.wait(server, "a")
        done.set()

    with reading([], lambda *_: None) as reader:
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as inner:
                inner.start_soon(reader.run)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                inner.cancel_scope.cancel()
            await client.send_all(b"x")
            await done.wait()
    close([(client, server)])
