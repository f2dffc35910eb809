"""How long calls over relays take to be set up, in round trips of a simulated network."""

from __future__ import annotations

import pytest
import trio

import trio_rtc
from trio_rtc.rtc import IceTransportPolicy
from trio_rtc.testing import Link, Network, start_signaling_server

from .simulated import URL, answer, run

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
