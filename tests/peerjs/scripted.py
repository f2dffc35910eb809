"""A PeerJS server that says what a test wants it to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    serve_websocket,
)


class Guest:
    """A client that has connected.

    Attributes:
        path: of its request.
    """

    def __init__(self, path: str, socket: WebSocketConnection):
        self.path = path
        self._socket = socket
        self.over = trio.Event()

    async def say(self, **fields: Any) -> None:
        await self.say_text(json.dumps(fields))

    async def say_text(self, text: str) -> None:
        await self._socket.send_message(text)

    async def hear(self, *but: str) -> dict[str, Any]:
        """The next message that is of none of these types."""
        while True:
            message = json.loads(await self._socket.get_message())
            assert isinstance(message, dict)
            if message["type"] not in but:
                return message

    async def close(self, code: int, reason: str = "") -> None:
        """Close it with this code."""
        await self._socket.aclose(code, reason)
        self.over.set()

    def leave(self) -> None:
        """Close the connection."""
        self.over.set()


class ScriptedServer:
    def __init__(self) -> None:
        self.url = ""
        self._came, self._guests = trio.open_memory_channel[Guest](100)

    async def guest(self) -> Guest:
        """The next one who connects."""
        return await self._guests.receive()

    async def serve(self, request: WebSocketRequest) -> None:
        with suppress(ConnectionClosed):
            guest = Guest(request.path, await request.accept())
            await self._came.send(guest)
            await guest.over.wait()


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    async with trio.open_nursery() as nursery:
        serving = await nursery.start(
            lambda task_status: serve_websocket(
                server.serve, "127.0.0.1", 0, ssl_context=None, task_status=task_status
            )
        )
        server.url = f"http://127.0.0.1:{serving.port}/"
        yield server
        nursery.cancel_scope.cancel()
