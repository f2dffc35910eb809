"""A native client that does as it is told: it numbers nothing and acknowledges nothing itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing
from websockets.frames import Close

from .harness import MemoryServer
from .ws_client import WebSocketClient


class NativeClient(WebSocketClient):
    """One connection.

    Attributes:
        welcome: what the server said to a `join`.
    """

    welcome: dict[str, Any]

    @property
    def id(self) -> int:
        value = self.welcome["id"]
        assert isinstance(value, int)
        return value

    @property
    def session(self) -> str:
        value = self.welcome["session"]
        assert isinstance(value, str)
        return value

    async def join(self, name: str, **fields: Any) -> None:
        """Open a session, which has to succeed."""
        await self.say(type="hello", name=name, **fields)
        self.welcome = await self.hear()
        assert self.welcome["type"] == "welcome", self.welcome

    async def resume(self, session: str, received: int, **fields: Any) -> dict[str, Any]:
        """Go on with a session: gives the answer."""
        await self.say(type="resume", session=session, received=received, **fields)
        return await self.hear()

    async def hear_all(self) -> list[dict[str, Any]]:
        """What the server has said by now."""
        heard: list[dict[str, Any]] = []

        async def collect() -> None:
            while isinstance(got := await self.receive(), str):
                heard.append(json.loads(got))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        return heard

    async def refusal(self) -> tuple[str, int, str]:
        """The code of the error that the server tells, and how it closes then."""
        error = await self.hear()
        assert error["type"] == "error", error
        assert error["message"]
        closed = await self.receive()
        assert isinstance(closed, Close), closed
        return error["code"], closed.code, closed.reason

    async def aclose(self) -> None:
        """Go without a word."""
        await self.stream.aclose()


async def connect(server: MemoryServer, headers: dict[str, str] | None = None) -> NativeClient:
    """A connection on which no session is open."""
    client = NativeClient(await server.listener.connect())
    response = await client.open(headers)
    assert response.status_code == 101, response
    return client


async def join(server: MemoryServer, name: str, **fields: Any) -> NativeClient:
    """A client with a session."""
    client = await connect(server)
    await client.join(name, **fields)
    return client


@asynccontextmanager
async def pair(server: MemoryServer) -> AsyncIterator[tuple[NativeClient, NativeClient]]:
    """Alice, who has heard of Bob (number 1), and Bob."""
    alice, bob = await join(server, "alice"), await join(server, "bob")
    joined = await alice.hear()
    assert joined == {"type": "joined", "seq": 1, "id": bob.id, "name": "bob"}
    yield alice, bob
    await alice.aclose()
    await bob.aclose()


async def serves(server: MemoryServer) -> None:
    """Clients of both protocols are served at once."""
    await server.is_well()
    client = await join(server, "somebody else", room="elsewhere")
    await client.say(type="leave")
    assert await client.closed() == (1000, "left")
    await client.aclose()
