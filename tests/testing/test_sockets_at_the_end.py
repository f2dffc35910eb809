"""Calls that end while a TURN server does not answer: no socket outlives them."""

from __future__ import annotations

import pytest
import trio

import trio_rtc
from trio_rtc.testing import Host, Network, TurnServer, start_signaling_server

from .simulated import URL, answer, run, say


async def check_nothing_is_open(*hosts: Host) -> None:
    # TCP keeps what was closed for a while, as a kernel does.
    await trio.sleep(120)
    for host in hosts:
        assert (host.name, host.udp, host.connections) == (host.name, {}, {})


def servers_of(turn: TurnServer) -> list[trio_rtc.IceServer]:
    return [turn.stun, turn.turn, turn.turn_over_tcp]


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_of_a_call_that_stood_no_socket_is_left(is_cancelled: bool) -> None:
    async def program(network: Network) -> None:
        await start_signaling_server(network)
        turn = network.turn_server()
        alice, bob = network.host("alice"), network.host("bob")

        async def call() -> None:
            async with trio_rtc.open_signaling(URL, name="alice") as signaling:
                await signaling.wait_for_peer("bob")
                servers = servers_of(turn)
                with trio.CancelScope() as scope:
                    async with trio_rtc.open_call(signaling, "bob", ice_servers=servers) as call:
                        await say(call, "hello")
                        turn.is_silent = True
                        if is_cancelled:
                            scope.cancel()
                await trio.sleep(60)

        with trio.CancelScope() as answering:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bob.run, lambda: answer(ice_servers=servers_of(turn)))
                await alice.run(call)
                answering.cancel()
        await check_nothing_is_open(alice, bob)

    run(program)


def test_of_a_call_that_nobody_has_answered_no_socket_is_left() -> None:
    async def program(network: Network) -> None:
        await start_signaling_server(network)
        turn = network.turn_server()
        alice, bob = network.host("alice"), network.host("bob")

        async def be_there() -> None:
            async with trio_rtc.open_signaling(URL, name="bob"):
                await trio.sleep(60)

        async def fall_silent() -> None:
            await trio.sleep(1.2)
            turn.is_silent = True

        async def give_up() -> None:
            async with trio_rtc.open_signaling(URL, name="alice") as signaling:
                await signaling.wait_for_peer("bob")
                with trio.move_on_after(1.5):
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(fall_silent)
                        servers = servers_of(turn)
                        async with trio_rtc.open_call(signaling, "bob", ice_servers=servers):
                            raise AssertionError("nobody has answered")
                await trio.sleep(60)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bob.run, be_there)
            await alice.run(give_up)
        await check_nothing_is_open(alice, bob)

    run(program)
