#!/usr/bin/env python3
"""How to test a program of one's own on bad networks, in virtual time: run it with pytest.

    python -m pytest examples/simulated_test.py --simulation-seeds 100

The program is a thermometer that tells its callers a new value each second. The tests ask what it
does when packets get lost, when a host moves to another network, and when the server crashes; a
minute takes a second. A seed that fails, fails again. It needs `pip install pytest pytest-trio`.
"""

from __future__ import annotations

import itertools

import pytest
import trio

import trio_rtc
from trio_rtc.testing import Link, Network, connected_pair, start_signaling_server


async def tell(call: trio_rtc.Call) -> None:
    """The program: a handler of calls."""
    async with await call.open_channel("temperature") as channel:
        for number in itertools.count():
            await channel.send(f"{20 + number % 5} degrees, number {number}")
            await trio.sleep(1)


async def numbers(call: trio_rtc.Call, count: int) -> list[int]:
    """The numbers of the first so many values that come."""
    channel = await anext(aiter(call.channels))
    return [int(str(await channel.receive()).split()[-1]) for _ in range(count)]


@pytest.mark.simulation(seeds=1)
async def test_nothing_is_lost_on_a_bad_line(simulated_network: Network) -> None:
    for name in ("alice", "bob"):
        simulated_network.host(name, link=Link(delay=0.2, jitter=0.1, loss=0.1))
    async with connected_pair(simulated_network) as (call, other), trio.open_nursery() as nursery:
        nursery.start_soon(tell, other)
        assert await numbers(call, 60) == list(range(60))
        nursery.cancel_scope.cancel()


@pytest.mark.simulation(seeds=1)
async def test_it_goes_on_in_another_network(simulated_network: Network) -> None:
    home, cafe = simulated_network.router("home"), simulated_network.router("cafe")
    alice = simulated_network.host("alice", router=home)
    async with connected_pair(simulated_network) as (call, other), trio.open_nursery() as nursery:
        nursery.start_soon(tell, other)

        async def walk() -> None:
            await trio.sleep(20)
            alice.move(cafe)

        nursery.start_soon(walk)
        assert await numbers(call, 60) == list(range(60))
        nursery.cancel_scope.cancel()


@pytest.mark.simulation(seeds=1)
async def test_a_call_outlives_the_server(simulated_network: Network) -> None:
    server = await start_signaling_server(simulated_network)
    alice, bob = simulated_network.host("alice"), simulated_network.host("bob")

    async def thermometer() -> None:
        async with trio_rtc.open_signaling(server.url, name="bob") as signaling:
            await trio_rtc.serve_calls(tell, signaling)

    async def ask() -> None:
        async with trio_rtc.open_signaling(server.url, name="alice") as signaling:
            await signaling.wait_for_peer("bob")
            async with trio_rtc.open_call(signaling, "bob") as call:
                server.crash()
                assert await numbers(call, 60) == list(range(60))
                with pytest.RaisesGroup(trio_rtc.SignalingLost, allow_unwrapped=True):
                    async for _ in signaling:
                        pass

    bob.start_soon(thermometer)
    with trio.move_on_after(3600):
        try:
            await alice.run(ask)
        except* trio_rtc.SignalingLost:
            pass  # What is left of the session says so at its end.
