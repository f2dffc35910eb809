"""A server of the native protocol that says what a test wants it to."""

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

from trio_rtc.wire.native import SUBPROTOCOL

WELCOME: dict[str, Any] = {
    "type": "welcome",
    "id": 1,
    "name": "alice",
    "room": "",
    "session": "secret",
    "peers": [],
    "resume_seconds": 60,
    "max_message_bytes": 262144,
    "messages_per_second": 1000,
    "messages_burst": 1000,
}


class Guest:
    """A client that has connected."""

    def __init__(self, socket: WebSocketConnection):
        self.socket = socket
        self.over = trio.Event()

    async def say(self, **fields: Any) -> None:
        await self.socket.send_message(json.dumps(fields))

    async def hear(self) -> dict[str, Any]:
        message = json.loads(await self.socket.get_message())
        assert isinstance(message, dict)
        return message

    async def welcome(self, **fields: Any) -> None:
        """Open its session."""
        assert (await self.hear())["type"] == "hello"
        await self.say(**WELCOME, **fields)

    async def close(self, code: int, reason: str) -> None:
        await self.socket.aclose(code, reason)
        self.over.set()

    def vanish(self) -> None:
        """End the connection without a word."""
        self.over.set()


class NativeScript:
    def __init__(self) -> None:
        self.url = ""
        self._came, self._guests = trio.open_memory_channel[Guest](100)

    async def guest(self) -> Guest:
        """The next one who connects."""
        return await self._guests.receive()

    async def serve(self, request: WebSocketRequest) -> None:
        with suppress(ConnectionClosed):
            guest = Guest(await request.accept(subprotocol=SUBPROTOCOL))
            await self._came.send(guest)
            await guest.over.wait()
            await trio.aclose_forcefully(guest.socket._stream)


@asynccontextmanager
async def native_script() -> AsyncIterator[NativeScript]:
    server = NativeScript()
    async with trio.open_nursery() as nursery:
        serving = await nursery.start(
            lambda task_status: serve_websocket(
                server.serve, "127.0.0.1", 0, ssl_context=None, task_status=task_status
            )
        )
        server.url = f"ws://127.0.0.1:{serving.port}/"
        yield server
        nursery.cancel_scope.cancel()
