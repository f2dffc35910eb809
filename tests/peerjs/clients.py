"""PeerJS clients on memory streams, which can misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import quote

import trio
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from ..server.harness import MemoryServer, memory_server
from ..server.ws_client import WebSocketClient


class PeerClient(WebSocketClient):
    """A WebSocket as npm's ``peerjs`` opens it."""

    def __init__(self, stream: trio.abc.Stream, path: str):
        super().__init__(stream, subprotocols=())
        self.protocol = ClientProtocol(parse_uri(f"ws://x{path}"), max_size=None)

    async def offer(self, dst: str, **payload: Any) -> None:
        await self.say(type="OFFER", dst=dst, payload={**OFFER, **payload})


#: As a page with PeerJS 1.5.5 makes it, but for the description.
OFFER: dict[str, Any] = {
    "sdp": {"type": "offer", "sdp": "v=0\r\nm=application 9 x\r\n"},
    "type": "data",
    "connectionId": "dc_1",
    "label": "dc_1",
    "reliable": False,
    "serialization": "binary",
}


def path(
    id_: str, token: str = "secret", key: str = "peerjs", *, root: str = "/", extra: str = ""
) -> str:
    return f"{root}peerjs?key={key}&id={quote(id_)}&token={quote(token)}&version=1.5.5{extra}"


async def connect(server: MemoryServer, target: str) -> PeerClient:
    client = PeerClient(await server.listener.connect(), target)
    response = await client.open()
    assert response.status_code == 101, response
    return client


async def join(server: MemoryServer, id_: str, token: str = "secret") -> PeerClient:
    client = await connect(server, path(id_, token))
    assert await client.hear() == {"type": "OPEN"}
    return client


def server_for_peers(**options: Any) -> AbstractAsyncContextManager[MemoryServer]:
    """A server that does not wait for clients that are left alone."""
    return memory_server(drain_seconds=0, **options)


@asynccontextmanager
async def still_well(server: MemoryServer) -> AsyncIterator[None]:
    """Two others understand each other before and after the block."""
    one, two = await join(server, "bystander-1"), await join(server, "bystander-2")

    async def check(word: str) -> None:
        await one.say(type="CANDIDATE", dst="bystander-2", payload={"word": word})
        assert await two.hear() == {
            "type": "CANDIDATE",
            "src": "bystander-1",
            "dst": "bystander-2",
            "payload": {"word": word},
        }

    await check("before")
    yield
    await check("after")


def error_of(message: dict[str, Any]) -> str:
    assert message["type"] == "ERROR", message
    assert set(message) == {"type", "payload"}
    text = message["payload"]["msg"]
    assert isinstance(text, str)
    return text
