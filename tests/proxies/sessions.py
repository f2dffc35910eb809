"""A session of each protocol, through a proxy or not, by one name for what they have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import trio

import trio_rtc
from trio_rtc.peerjs import DataConnection, MediaConnection, PeerJSPeer, open_peerjs, serve_peerjs

PROTOCOLS = ["native", "classic", "peerjs"]


class Session(Protocol):
    """Alice, who is signed in."""

    async def exchange(self, port: int) -> None:
        """Say something to somebody who is signed in at this port, and hear of it."""

    async def wait_lost(self) -> trio_rtc.SignalingLost:
        """Wait for the end."""


class _Signaling:
    def __init__(self, signaling: trio_rtc.Signaling):
        self._signaling = signaling

    async def exchange(self, port: int) -> None:
        alice = self._signaling
        async with trio_rtc.open_signaling(f"ws://127.0.0.1:{port}", name="bob") as bob:
            me = bob.peers[alice.peer_id]
            await bob.send(me, "to alice")
            async for event in alice:
                if isinstance(event, trio_rtc.MessageReceived):
                    assert event.data == b"to alice"
                    break
            await alice.send(bob.peer_id, "to bob")
            async for event in bob:
                if isinstance(event, trio_rtc.MessageReceived):
                    assert event == trio_rtc.MessageReceived(me, b"to bob")
                    break

    async def wait_lost(self) -> trio_rtc.SignalingLost:
        try:
            async for _ in self._signaling:
                pass
        except trio_rtc.SignalingLost as lost:
            return lost
        raise AssertionError


class _PeerJS:
    def __init__(self, peer: PeerJSPeer):
        self._peer = peer

    async def exchange(self, port: int) -> None:
        async def echo(connection: DataConnection | MediaConnection) -> None:
            assert isinstance(connection, DataConnection)
            async for value in connection:
                await connection.send(value)

        async with (
            open_peerjs(f"http://127.0.0.1:{port}/") as bob,
            trio.open_nursery() as nursery,
        ):
            await nursery.start(serve_peerjs, echo, bob)
            async with self._peer.connect(bob.id) as connection:
                await connection.send("to bob")
                assert await connection.receive() == "to bob"
            nursery.cancel_scope.cancel()

    async def wait_lost(self) -> trio_rtc.SignalingLost:
        return await self._peer._server.wait_lost()


@asynccontextmanager
async def open_session(protocol: str, port: int, path: str = "/") -> AsyncIterator[Session]:
    """Sign in as alice at a port of this machine."""
    address = f"127.0.0.1:{port}{path}"
    if protocol == "peerjs":
        async with open_peerjs(f"http://{address}", "alice") as peer:
            yield _PeerJS(peer)
        return
    scheme = "ws" if protocol == "native" else "http"
    async with trio_rtc.open_signaling(f"{scheme}://{address}", name="alice") as signaling:
        yield _Signaling(signaling)
