"""Python peers on npm's own PeerJS server, ``peer``."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from trio_rtc import SignalingError, UnknownPeer
from trio_rtc.peerjs import DataConnection, MediaConnection, open_peerjs, serve_peerjs

from ..node import NODE, PACKAGES
from ..ports import free_port
from ..signaling.proxy import Proxy

SERVER = PACKAGES / "peer/dist/bin/peerjs.js"

pytestmark = pytest.mark.skipif(
    (NODE is None or not SERVER.is_file()) and "CI" not in os.environ,
    reason="npm's peer is not installed (npm install --prefix tests)",
)


@asynccontextmanager
async def npm_server(*arguments: str) -> AsyncIterator[int]:
    """Run it; gives its port."""
    assert NODE is not None
    port = free_port()
    process = await trio.lowlevel.open_process(
        [NODE, str(SERVER), "--port", str(port), "--host", "127.0.0.1", *arguments],
        stdout=subprocess.DEVNULL,
    )
    try:
        with trio.fail_after(30):
            while True:
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await trio.sleep(0.05)
        yield port
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def echo(connection: DataConnection | MediaConnection) -> None:
    assert isinstance(connection, DataConnection)
    async for value in connection:
        await connection.send(value)


async def test_two_peers_on_it() -> None:
    async with (
        npm_server("--key", "mykey", "--path", "/my/app") as port,
        open_peerjs(f"http://127.0.0.1:{port}/my/app", "bob", key="mykey") as bob,
        open_peerjs(f"http://127.0.0.1:{port}/my/app/", key="mykey") as alice,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(serve_peerjs, echo, bob)
        async with alice.connect("bob") as connection:
            await connection.send({"big": b"x" * 100_000})
            assert await connection.receive() == {"big": b"x" * 100_000}
        with pytest.raises(UnknownPeer) as raised:
            async with alice.connect("nobody"):
                pass
        assert raised.value.code == "peer_unavailable"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("id_", "key", "code"), [("bob", "peerjs", "id_taken"), ("carol", "other", "refused")]
)
async def test_what_it_refuses(id_: str, key: str, code: str) -> None:
    async with npm_server() as port, open_peerjs(f"http://127.0.0.1:{port}", "bob"):
        with pytest.raises(SignalingError) as raised:
            async with open_peerjs(f"http://127.0.0.1:{port}", id_, key=key):
                pass
        assert raised.value.code == code


async def test_the_way_to_it_is_lost_and_found() -> None:
    async with npm_server() as port, trio.open_nursery() as nursery:
        proxy = Proxy(port)
        listeners = await nursery.start(trio.serve_tcp, proxy.serve, 0)
        way = listeners[0].socket.getsockname()[1]
        async with (
            open_peerjs(f"http://127.0.0.1:{way}", "bob") as bob,
            open_peerjs(f"http://127.0.0.1:{port}", "alice") as alice,
            trio.open_nursery() as serving,
        ):
            await serving.start(serve_peerjs, echo, bob)
            async with alice.connect("bob") as before:
                for cut in range(3):
                    proxy.cut()
                    await proxy.wait_accepted(cut + 2)
                    await before.send(cut)
                    assert await before.receive() == cut
                async with alice.connect("bob") as after:
                    await after.send("again")
                    assert await after.receive() == "again"
            serving.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
