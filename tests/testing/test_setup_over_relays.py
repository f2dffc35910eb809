"""How long calls over relays take to be set up, in round trips of a simulated network."""

from __future__ import annotations

import pytest
import trio

import trio_rtc
from trio_rtc.rtc import IceTransportPolicy
from trio_rtc.testing import Link, Network, start_signaling_server

from .simulated import URL, answer, call_bob, run, used_pair

ROUND_TRIP = 0.1
"""Seconds from any host to any other and back; twice that between two relays of one server."""


@pytest.mark.parametrize(
    ("caller", "callee", "longest"),
    # Two round trips for the allocation, half of one or two for what is said by the server, and
    # for checks and DTLS two and a half each, of the way that they take.
    [("relay", "relay", 0.9), ("relay", "all", 0.8), ("all", "relay", 0.8), ("all", "all", 0.4)],
)
def test_a_call_is_set_up_in_few_round_trips(
    caller: IceTransportPolicy, callee: IceTransportPolicy, longest: float
) -> None:
    async def program(network: Network) -> float:
        link = Link(delay=ROUND_TRIP / 4)
        servers = [network.turn_server(link=link).turn]
        await start_signaling_server(network)
        alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))
        bob.start_soon(lambda: answer(ice_servers=servers, ice_transport_policy=callee))

        async def call() -> float:
            async with trio_rtc.open_signaling(URL, name="alice") as signaling:
                await signaling.wait_for_peer("bob")
                async with trio_rtc.open_call(
                    signaling, "bob", ice_servers=servers, ice_transport_policy=caller
                ) as call:
                    await trio.sleep(1)
                    return call.setup_seconds

        return await alice.run(call)

    assert run(program) < longest


def test_a_relay_is_left_when_the_direct_way_works() -> None:
    """It is that of the first check that is answered, and the others go on."""

    async def program(network: Network) -> None:
        turn = network.turn_server()
        routers = [network.router(f"{name}'s") for name in ("alice", "bob")]
        alice, bob = (
            network.host(name, router=router)
            for name, router in zip(("alice", "bob"), routers, strict=True)
        )
        network.part([alice], [bob])

        async def during(call: trio_rtc.Call) -> None:
            assert "relay" in await used_pair(call)
            network.heal()
            # A check that is lost is sent again after 0.5, 1, 2 s, and so on.
            with trio.fail_after(10):
                while "relay" in await used_pair(call):  # noqa: ASYNC110 (nobody tells)
                    await trio.sleep(0.5)

        await call_bob(network, alice, bob, during, ice_servers=[turn.stun, turn.turn])

    run(program)
