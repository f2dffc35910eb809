"""A server on memory streams, and a client that speaks raw HTTP to it."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio
import trio.testing

from trio_rtc.server import serve_signaling, serve_signaling_listeners
from trio_rtc.server.counters import Statistics

MemoryStream = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


class MemoryListener(trio.abc.Listener[MemoryStream]):
    """Accepts what `connect` makes."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[MemoryStream](0)
        # Those that the test has let go of are gone.
        self._clients: weakref.WeakSet[Any] = weakref.WeakSet()
        self.closed = False

    async def connect(self) -> MemoryStream:
        client, server = trio.testing.memory_stream_pair()
        self._clients.add(client)
        await self._send.send(server)
        return client

    async def connect_unread(self) -> trio.abc.Stream:
        """A client whose server blocks as soon as it writes and is not read."""
        client, server = trio.testing.lockstep_stream_pair()
        self._clients.add(client)
        await self._send.send(server)  # type: ignore[arg-type]
        return client

    def close_clients(self) -> None:
        """Have all who have connected be gone: a server that ends waits for who does not read."""
        for client in list(self._clients):
            client.send_stream.close()
            client.receive_stream.close()

    async def accept(self) -> MemoryStream:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError from None

    async def aclose(self) -> None:
        self.closed = True
        self._receive.close()
        await trio.lowlevel.checkpoint()


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.headers]

    @property
    def pragma(self) -> int | None:
        value = self.header("Pragma")
        return None if value is None else int(value)


class Client:
    """One connection, on which whole answers are read."""

    def __init__(self, stream: trio.abc.Stream):
        self.stream = stream
        self._buffer = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def answer(self) -> Answer | None:
        """The next answer; None if the connection ends without one."""
        with trio.fail_after(3600):
            while b"\r\n\r\n" not in self._buffer:
                if not await self._receive():
                    assert not self._buffer, self._buffer
                    return None
            head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
            answer = parse_head(head)
            length = int(answer.header("Content-Length") or 0)
            while len(self._buffer) < length:
                assert await self._receive(), "the body is cut off"
            body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(answer.status, answer.reason, answer.headers, body)

    async def informational(self) -> bytes:
        """An interim answer, which has no headers here."""
        while b"\r\n\r\n" not in self._buffer:
            assert await self._receive()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        return head

    async def ended(self) -> bool:
        """Wait for the end of the connection; whether it came with nothing before it."""
        with trio.fail_after(3600):
            while await self._receive():
                pass
        return not self._buffer

    async def _receive(self) -> bool:
        try:
            data = await self.stream.receive_some()
        except trio.BrokenResourceError:
            return False
        self._buffer += data
        return bool(data)


def parse_head(head: bytes) -> Answer:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, status, reason = status_line.split(" ", 2)
    assert version == "HTTP/1.1"
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    return Answer(int(status), reason, headers, b"")


def get(target: str, *, version: str = "1.0", extra: str = "") -> bytes:
    host = "Host: x\r\n" if version == "1.1" else ""
    return f"GET {target} HTTP/{version}\r\n{host}{extra}\r\n".encode()


def post(sender: int, to: int, body: bytes, *, version: str = "1.0", extra: str = "") -> bytes:
    host = "Host: x\r\n" if version == "1.1" else ""
    head = f"POST /message?peer_id={sender}&to={to} HTTP/{version}\r\n{host}{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class MemoryServer:
    """The server under test and ways to talk to it."""

    def __init__(self, listener: MemoryListener, statistics: Statistics):
        self.listener = listener
        self.statistics = statistics
        self.scope = trio.CancelScope()

    async def connect(self) -> Client:
        return Client(await self.listener.connect())

    async def ask(self, request: bytes) -> Answer:
        """One request on a connection of its own, which the server is to close."""
        client = await self.connect()
        await client.send(request)
        answer = await client.answer()
        assert answer is not None, request
        await client.stream.aclose()
        return answer

    async def sign_in(self, name: str) -> int:
        answer = await self.ask(get(f"/sign_in?{name}"))
        assert answer.pragma is not None
        return answer.pragma

    async def poll(self, peer_id: int) -> Answer:
        return await self.ask(get(f"/wait?peer_id={peer_id}"))

    async def hang(self, peer_id: int, *, version: str = "1.0") -> Client:
        """A GET that hangs by the time this returns."""
        client = await self.connect()
        await client.send(get(f"/wait?peer_id={peer_id}", version=version))
        await trio.testing.wait_all_tasks_blocked()
        return client

    async def is_well(self) -> None:
        """The server serves somebody else."""
        assert (await self.ask(get("/nothing"))).status == 404


@asynccontextmanager
async def memory_server(**options: Any) -> AsyncIterator[MemoryServer]:
    """A server on memory streams; the options are those of `serve_signaling_listeners`."""
    listener = MemoryListener()
    statistics = options.pop("statistics", None) or Statistics()

    async def serve() -> None:
        with server.scope:
            await serve_signaling_listeners([listener], statistics=statistics, **options)

    server = MemoryServer(listener, statistics)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield server
        server.scope.cancel()
    assert listener.closed


@asynccontextmanager
async def tcp_server(**options: Any) -> AsyncIterator[int]:
    """A server on loopback, on a free port if none is given; gives its port."""
    port = options.pop("port", 0)
    async with trio.open_nursery() as nursery:

        async def serve(
            task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
        ) -> None:
            await serve_signaling(
                port, host="127.0.0.1", drain_seconds=1, task_status=task_status, **options
            )

        listeners = await nursery.start(serve)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()
