"""Signaling servers to compare: each a process of its own, that relays JSON between two peers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from measuring import HERE, has_npm

MANY = "1000000"


@dataclass(frozen=True)
class Server:
    """How a server is started, and whether its clients speak our protocol or PeerJS's."""

    command: tuple[str, ...]
    native: bool = False
    path: str = "/?id={id}"
    npm: str = ""


SERVERS = {
    "ours": Server(
        (
            sys.executable, "-m", "trio_rtc", "server", "--host", "127.0.0.1", "--port", "{port}",
            "--messages-per-second", MANY, "--messages-burst", MANY, "--peers-per-address", MANY,
            "--requests-per-second", MANY, "--requests-burst", MANY,
            "--joins-per-second", MANY, "--joins-burst", MANY,
            "--connections-per-address", MANY, "--peers", MANY, "--log-level", "warning",
        ),
        native=True,
        path="/",
    ),
    "PeerJS's server": Server(
        (
            "node", str(HERE / "node_modules/peer/dist/bin/peerjs.js"), "--host", "127.0.0.1",
            "--port", "{port}", "--concurrent_limit", MANY,
        ),
        path="/peerjs?key=peerjs&id={id}&token=t",
        npm="peer",
    ),
    "ws": Server(("node", str(HERE / "signaling_ws.js"), "{port}"), npm="ws"),
    "websockets": Server((sys.executable, __file__, "websockets", "{port}")),
    "trio-websocket": Server((sys.executable, __file__, "trio-websocket", "{port}")),
}  # fmt: skip


def available() -> list[str]:
    return [name for name, server in SERVERS.items() if not server.npm or has_npm(server.npm)]


@contextlib.contextmanager
def running(server: Server) -> Iterator[tuple[int, int]]:
    """The port and the process id of a server that accepts connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.replace("{port}", str(port)) for part in server.command]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        else:
            raise TimeoutError(f"{command} does not listen")
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def relayed(own: str, text: str | bytes) -> tuple[str, str]:
    """To whom a message goes, and what arrives there: as PeerJS's server does it."""
    message = json.loads(text)
    message["src"] = own
    return message["dst"], json.dumps(message, separators=(",", ":"))


def own_id(path: str) -> str:
    return parse_qs(urlsplit(path).query)["id"][0]


async def serve_websockets(port: int) -> None:
    """The way the documentation of `websockets` has it."""
    from websockets.asyncio.server import ServerConnection, serve

    peers: dict[str, ServerConnection] = {}

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        own = own_id(connection.request.path)
        peers[own] = connection
        async for text in connection:
            to, message = relayed(own, text)
            await peers[to].send(message)

    async with serve(handle, "127.0.0.1", port, compression=None):
        await asyncio.get_running_loop().create_future()


async def serve_trio_websocket(port: int) -> None:
    """The way the documentation of trio-websocket has it."""
    import trio_websocket

    peers: dict[str, Any] = {}

    async def handle(request: Any) -> None:
        own = own_id(request.path)
        connection = peers[own] = await request.accept()
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            while True:
                to, message = relayed(own, await connection.get_message())
                await peers[to].send_message(message)

    await trio_websocket.serve_websocket(handle, "127.0.0.1", port, ssl_context=None)


if __name__ == "__main__":
    if sys.argv[1] == "websockets":
        asyncio.run(serve_websockets(int(sys.argv[2])))
    else:
        import trio

        trio.run(serve_trio_websocket, int(sys.argv[2]))
