"""Calls whose network goes away, for some time or for good."""

from __future__ import annotations

import signal
from typing import Any

import pytest
import trio

from .conftest import STUN, TURN, counts_on, peer, stats, told
from .hosts import Network, needs_network

pytestmark = needs_network

#: Seconds of silence after which the kernel is to show that a path is gone.
SOON = 2


async def test_an_outage_of_some_seconds(network: Network) -> None:
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    async with (
        peer(bob, "bob", silence_timeout=SOON) as callee,
        peer(alice, "alice", call="bob", silence_timeout=SOON) as caller,
    ):
        await counts_on(caller)
        alice.unplug()
        await caller.event("disconnected")
        await callee.event("disconnected")
        alice.plug()
        await counts_on(caller, 20)
        assert not told(caller, "ended")


async def test_an_outage_for_good(network: Network) -> None:
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    async with (
        peer(bob, "bob", silence_timeout=SOON, restart_timeout=1) as callee,
        peer(alice, "alice", call="bob", silence_timeout=SOON, restart_timeout=1) as caller,
    ):
        await counts_on(caller)
        alice.unplug()
        await caller.event("ended", reason="connection_lost")
        await callee.event("ended", reason="connection_lost")
        alice.plug()


async def test_an_outage_for_good_in_the_middle_of_a_message(network: Network) -> None:
    """Both sides are told of what was in flight, when the call gives up and not before."""
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    options: dict[str, Any] = {"silence_timeout": 2, "restart_timeout": 1}
    async with (
        peer(bob, "bob", **options) as callee,
        peer(alice, "alice", call="bob", **options) as caller,
    ):
        await counts_on(caller)
        await caller.type("flood\n")
        await callee.event("swallowed")
        alice.unplug()
        with trio.fail_after(60):
            for side in (caller, callee):
                await side.event("disconnected")
                broken = await side.event("broken")
                assert broken["message"]
                await side.event("ended", reason="connection_lost")
                names = [event["event"] for event in side.events]
                assert names.index("disconnected") < names.index("broken")
        # The signaling session takes its leave, too.
        alice.plug()
        assert await caller.exit_status() == 0
        assert caller.errors == ""


async def test_a_peer_that_is_killed(network: Network) -> None:
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    async with (
        peer(bob, "bob") as callee,
        peer(alice, "alice", call="bob", silence_timeout=SOON, restart_timeout=1) as caller,
    ):
        await counts_on(caller)
        callee.process.send_signal(signal.SIGKILL)
        with trio.fail_after(60):
            await caller.event("disconnected")
        await caller.event("ended", reason="connection_lost")


@pytest.mark.parametrize("behind_nat", [False, True])
async def test_a_host_that_gets_another_address(network: Network, behind_nat: bool) -> None:
    alice = network.host("alice", 11)
    bob = network.host_behind_nat("bob", 12) if behind_nat else network.host("bob", 12)
    servers = (STUN, TURN) if behind_nat else ()
    # Nobody would notice by the silence.
    async with (
        peer(bob, "bob", *servers, silence_timeout=60),
        peer(alice, "alice", *servers, call="bob", silence_timeout=60) as caller,
    ):
        await counts_on(caller)
        alice.move(11, 21)
        await caller.event("disconnected")
        await counts_on(caller, 20)
        assert (await stats(caller))["address"] != "203.0.113.11"


async def test_a_program_that_knows_of_another_address(network: Network) -> None:
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    async with peer(bob, "bob"), peer(alice, "alice", call="bob") as caller:
        await counts_on(caller)
        await caller.type("restart\n")
        await caller.event("restarted")
        await counts_on(caller)
        assert not told(caller, "disconnected")
