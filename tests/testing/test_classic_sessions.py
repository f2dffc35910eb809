"""Sessions of the classic protocol: from other addresses, and at servers started again."""

from __future__ import annotations

import trio

from trio_rtc.errors import SignalingLost
from trio_rtc.signaling import MessageReceived, Signaling, open_signaling
from trio_rtc.testing import Network, start_signaling_server

from .simulated import run


async def messages(signaling: Signaling, heard: list[bytes]) -> str:
    """Hear messages until the session is lost; why it is."""
    try:
        async for event in signaling:
            if isinstance(event, MessageReceived):
                heard.append(event.data)
    except SignalingLost as lost:
        return lost.code
    raise AssertionError("it ends by an error only")


def test_a_session_goes_on_from_another_address() -> None:
    async def program(network: Network) -> None:
        server = await start_signaling_server(network)
        alice, bob = network.host("alice"), network.host("bob")
        heard: list[bytes] = []

        async def listen() -> None:
            async with open_signaling(server.classic_url, name="alice") as signaling:
                await messages(signaling, heard)

        async def talk() -> None:
            async with open_signaling(server.classic_url, name="bob") as signaling:
                peer = await signaling.wait_for_peer("alice")
                await signaling.send(peer, b"before")
                await trio.sleep(5)
                alice.move()
                await trio.sleep(20)
                await signaling.send(peer, b"behind")
                await trio.sleep(5)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.run, listen)
            await bob.run(talk)
            nursery.cancel_scope.cancel()
        assert heard == [b"before", b"behind"]

    run(program)


def test_an_id_belongs_to_who_has_it_since_the_server_was_started_again() -> None:
    async def program(network: Network) -> None:
        server = await start_signaling_server(network)
        house = network.host("house")
        for_alice: list[bytes] = []
        for_carol: list[bytes] = []
        ends: list[str] = []
        ids: list[int] = []

        async def stay() -> None:
            async with open_signaling(server.classic_url, name="alice") as signaling:
                ids.append(signaling.peer_id)
                ends.append(await messages(signaling, for_alice))

        async def join() -> None:
            async with open_signaling(server.classic_url, name="carol") as signaling:
                ids.append(signaling.peer_id)
                await messages(signaling, for_carol)

        async def talk() -> None:
            async with open_signaling(server.classic_url, name="dave") as signaling:
                peer = await signaling.wait_for_peer("carol")
                for number in range(20):
                    await signaling.send(peer, b"%d" % number)
                    await trio.sleep(0.5)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.run, stay)
            await trio.sleep(5)
            server.crash()
            await server.start()
            nursery.start_soon(house.run, join)
            await trio.sleep(0.1)
            await network.host("dave").run(talk)
            nursery.cancel_scope.cancel()
        assert ids == [1, 1]
        assert ends == ["signed_out"]
        assert for_carol == [b"%d" % number for number in range(20)]
        assert for_alice == []

    run(program)
