"""Calls whose network goes away, for some time or for good."""

from __future__ import annotations

import signal

import pytest
import trio

from .conftest import STUN, TURN, counts_on, pair, peer
from .hosts import Network, needs_network

pytestmark = needs_network


async def test_an_outage_of_some_seconds(network: Network) -> None:
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    async with peer(bob, "bob") as callee, peer(alice, "alice", call="bob") as caller:
        await counts_on(caller)
        alice.unplug()
        await caller.event("disconnected")
        await callee.event("disconnected")
        alice.plug()
        await counts_on(caller, 20)
        assert not [event for event in caller.events if event["event"] == "ended"]


async def test_an_outage_for_good(network: Network) -> None:
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    async with (
        peer(bob, "bob", restart_timeout=4) as callee,
        peer(alice, "alice", call="bob", restart_timeout=4) as caller,
    ):
        await counts_on(caller)
        alice.unplug()
        await caller.event("ended", reason="connection_lost")
        await callee.event("ended", reason="connection_lost")
        alice.plug()


async def test_a_peer_that_is_killed(network: Network) -> None:
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    async with (
        peer(bob, "bob") as callee,
        peer(alice, "alice", call="bob", restart_timeout=4) as caller,
    ):
        await counts_on(caller)
        callee.process.send_signal(signal.SIGKILL)
        with trio.fail_after(15):
            await caller.event("disconnected")
        await caller.event("ended", reason="connection_lost")


@pytest.mark.parametrize("behind_nat", [False, True])
async def test_a_host_that_gets_another_address(network: Network, behind_nat: bool) -> None:
    alice = network.host("alice", 11)
    bob = network.host_behind_nat("bob", 12) if behind_nat else network.host("bob", 12)
    servers = (STUN, TURN) if behind_nat else ()
    async with (
        peer(bob, "bob", *servers),
        peer(alice, "alice", *servers, call="bob") as caller,
    ):
        await counts_on(caller)
        alice.move(11, 21)
        await caller.event("disconnected")
        await counts_on(caller, 20)
        assert await pair(caller)
        assert caller.events[-1]["address"] != "203.0.113.11"


async def test_a_program_that_knows_of_another_address(network: Network) -> None:
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    async with peer(bob, "bob"), peer(alice, "alice", call="bob") as caller:
        await counts_on(caller)
        await caller.type("restart\n")
        await caller.event("restarted")
        await counts_on(caller)
        assert not [event for event in caller.events if event["event"] == "disconnected"]
