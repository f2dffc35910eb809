"""A TCP server that answers HTTP requests as a test says, and closes nothing by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

CLOSE = b""
"""An answer: close the connection without one."""

Answer = Callable[[str, bytes], Awaitable[bytes]]


@dataclass
class ScriptedServer:
    url: str
    requests: list[bytes] = field(default_factory=list)

    def lines(self, start: str = "") -> list[str]:
        found = [request.split(b"\r\n", 1)[0].decode() for request in self.requests]
        return [line for line in found if line.startswith(start)]


@asynccontextmanager
async def scripted_server(answer: Answer) -> AsyncIterator[ScriptedServer]:
    """``answer(target, body)`` gives the bytes that answer a request; it may wait for ever."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    server = ScriptedServer(f"http://127.0.0.1:{port}")

    async def handle(stream: trio.SocketStream) -> None:
        buffer = b""
        async with stream:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = await stream.receive_some()
                    if not data:
                        return
                    buffer += data
                head, buffer = buffer.split(b"\r\n\r\n", 1)
                # The original server finds this header by its casing.
                length = int(head.partition(b"\r\nContent-Length: ")[2].split(b"\r\n")[0] or 0)
                while len(buffer) < length:
                    buffer += await stream.receive_some()
                body, buffer = buffer[:length], buffer[length:]
                server.requests.append(head + b"\r\n\r\n" + body)
                reply = await answer(head.split(b" ")[1].decode(), body)
                if reply == CLOSE:
                    return
                await stream.send_all(reply)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, listeners)
        yield server
        nursery.cancel_scope.cancel()
