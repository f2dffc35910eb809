"""Hosts with addresses of IPv4, IPv6 or both, where one of the two may lead nowhere."""

from __future__ import annotations

import pytest
import trio

import trio_rtc
from trio_rtc.testing import Host, Link, Network, start_signaling_server
from trio_rtc.testing.network.network import WIRE

from .simulated import call_bob, count_up, run, say

NOWHERE = Link(is_up=False)


def host(network: Network, name: str, number: int, families: str, broken: str = "") -> Host:
    """A host with these families; ``broken`` is one whose packets vanish."""
    ways = {"4": f"203.0.113.{number}", "6": f"2001:db8::{number}"}
    links = {family: NOWHERE if family == broken else WIRE for family in families}
    first = families[0]
    made = network.host(name, address=ways[first], link=links[first])
    for family in families[1:]:
        link = links[family]
        network.attach(made, f"{name} of IPv{family}", None, link, link, ways[family])
    return made


async def family_in_use(call: trio_rtc.Call) -> str:
    await say(call, "hello")
    stats = await call.stats()
    assert stats.local_candidate is not None
    return "6" if ":" in stats.local_candidate.address else "4"


@pytest.mark.parametrize(
    ("caller", "callee", "broken", "used"),
    [
        ("6", "46", "", "6"),
        ("46", "6", "", "6"),
        ("4", "64", "", "4"),
        ("46", "46", "4", "6"),
        ("64", "46", "6", "4"),
    ],
)
def test_a_call_takes_the_family_that_works(
    caller: str, callee: str, broken: str, used: str
) -> None:
    """And it does not wait for the one that leads nowhere."""

    async def program(network: Network) -> None:
        host(network, "server", 9, "46")
        await start_signaling_server(network)
        alice = host(network, "alice", 1, caller, broken)
        bob = host(network, "bob", 2, callee)

        async def during(call: trio_rtc.Call) -> None:
            assert await family_in_use(call) == used
            # The wires take next to no time; a check that is lost is sent again after 0.5 s.
            assert call.setup_seconds < 0.5

        await call_bob(network, alice, bob, during)

    run(program)


@pytest.mark.parametrize("broken", ["4", "6"])
def test_a_family_that_breaks_in_a_call_is_left_for_the_other(broken: str) -> None:
    async def program(network: Network) -> None:
        host(network, "server", 9, "46")
        await start_signaling_server(network)
        alice, bob = host(network, "alice", 1, "46"), host(network, "bob", 2, "46")

        async def during(call: trio_rtc.Call) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(count_up, call, 60, 0.2)
                await trio.sleep(1)
                number = "46".index(broken)
                alice.attachments[number].change(up=True, down=True, is_up=False)
            assert await family_in_use(call) != broken
            assert call.end is None

        await call_bob(network, alice, bob, during)

    run(program)


def test_there_is_no_way_between_two_that_have_no_family_in_common() -> None:
    async def program(network: Network) -> str:
        host(network, "server", 9, "46")
        await start_signaling_server(network)
        alice, bob = host(network, "alice", 1, "6"), host(network, "bob", 2, "4")
        with pytest.raises(trio_rtc.CallError) as caught:
            await call_bob(network, alice, bob, say)
        # The other side may have seen it first.
        assert caught.value.code in ("connection_lost", "peer_hung_up")
        return str(caught.value)

    said = run(program)
    assert "none of our addresses goes with one of theirs" in said or "connection_lost" in said, (
        said
    )
