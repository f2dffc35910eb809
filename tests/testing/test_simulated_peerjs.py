"""PeerJS's protocol on a simulated network, by the real server, and what happens to both."""

from __future__ import annotations

from typing import Any

import trio

from trio_rtc.peerjs import open_peerjs, serve_peerjs
from trio_rtc.testing import Link, Network, start_signaling_server

from .simulated import run


async def echo(connection: Any) -> None:
    async for value in connection:
        await connection.send(value)


async def take_connections(url: str) -> None:
    async with open_peerjs(url, "bob") as peer:
        await serve_peerjs(echo, peer)


def test_a_connection_outlives_its_server_and_an_outage() -> None:
    async def program(network: Network) -> list[Any]:
        server = await start_signaling_server(network)
        alice, bob = (
            network.host(name, link=Link(delay=0.03, jitter=0.01, loss=0.02))
            for name in ("alice", "bob")
        )
        bob.start_soon(take_connections, server.classic_url)
        await trio.sleep(3)
        values: list[Any] = []

        async def talk() -> None:
            url = server.classic_url
            async with open_peerjs(url, "alice") as peer, peer.connect("bob") as connection:
                for number in range(60):
                    await connection.send({"number": number, "more": ["text", None, 1.5]})
                    values.append((await connection.receive())["number"])
                    if number == 10:
                        server.crash()
                    if number == 20:
                        alice.unplug()
                        await trio.sleep(4)
                        alice.plug()
                    await trio.sleep(0.2)

        await alice.run(talk)
        return values

    assert run(program) == list(range(60))
