"""Real calls between peers of all protocols, each on a server of its own."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio

from trio_rtc import Call, open_call, open_signaling, serve_calls
from trio_rtc.peerjs import DataConnection, MediaConnection, open_peerjs, serve_peerjs
from trio_rtc.server.cluster.cluster_settings import ClusterSettings

from ...redis_server import needs_redis
from ..harness import tcp_server

pytestmark = needs_redis

DIALECTS = {"native": "ws", "classic": "http", "peerjs": ""}


async def echo_call(call: Call) -> None:
    async for channel in call.channels:
        async for message in channel:
            await channel.send(message)


async def echo_connection(connection: DataConnection | MediaConnection) -> None:
    assert isinstance(connection, DataConnection)
    async for value in connection:
        await connection.send(value)


async def answer(dialect: str, port: int, task_status: trio.TaskStatus[None]) -> None:
    """Be a peer that is called like its protocol, and gives back what it is sent."""
    if dialect == "peerjs":
        async with open_peerjs(f"http://127.0.0.1:{port}/", dialect) as peer:
            await serve_peerjs(echo_connection, peer, task_status=task_status)
    url = f"{DIALECTS[dialect]}://127.0.0.1:{port}"
    async with open_signaling(url, name=dialect) as signaling:
        await serve_calls(echo_call, signaling, task_status=task_status)


async def ask(dialect: str, port: int, other: str) -> object:
    """Call somebody, and send something: what comes back."""
    if dialect == "peerjs":
        async with (
            open_peerjs(f"http://127.0.0.1:{port}/", "caller") as peer,
            peer.connect(other, serialization="raw", reliable=True) as connection,
        ):
            await connection.send("there and back")
            return await connection.receive()
    url = f"{DIALECTS[dialect]}://127.0.0.1:{port}"
    async with open_signaling(url, name="caller") as signaling:
        await signaling.wait_for_peer(other)
        async with (
            open_call(signaling, other) as call,
            await call.open_channel("chat") as channel,
        ):
            await channel.send("there and back")
            return await channel.receive()


@pytest.mark.parametrize("caller", DIALECTS)
async def test_peers_of_different_servers_call_each_other(
    cluster: ClusterSettings, caller: str
) -> None:
    with trio.fail_after(100):
        async with AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(tcp_server(cluster=cluster)) for _ in range(3)]
            nursery = await stack.enter_async_context(trio.open_nursery())
            for at, callee in enumerate(DIALECTS):
                await nursery.start(answer, callee, ports[at % 2])
            for callee in DIALECTS:
                assert await ask(caller, ports[2], callee) == "there and back", callee
            nursery.cancel_scope.cancel()
