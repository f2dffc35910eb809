"""Packets that are as large as the path takes, on one that takes less and less."""

from __future__ import annotations

import trio

from tests.processes import Command

from .conftest import STUN, counts_on, peer, stats, told
from .hosts import Network, needs_network

pytestmark = needs_network


async def until_mtu(caller: Command, size: int) -> None:
    """Ask until packets have this size."""
    while (await stats(caller))["mtu"] != size:  # noqa: ASYNC110 (nobody tells)
        await trio.sleep(0.1)


async def until_swallowed(callee: Command, more: int) -> None:
    """So many more messages of 4 MiB arrive."""
    wanted = len(told(callee, "swallowed")) + more
    while len(told(callee, "swallowed")) < wanted:
        await callee.news()


async def test_a_router_that_takes_less_from_now_on(network: Network) -> None:
    """It fragments what was found to fit before."""
    alice, bob = network.host("alice", 11), network.host_behind_nat("bob", 12)
    async with (
        peer(bob, "bob", STUN) as callee,
        peer(alice, "alice", STUN, call="bob") as caller,
    ):
        await counts_on(caller)
        await until_mtu(caller, 1412)
        await caller.type("flood\n")
        await until_swallowed(callee, 2)
        bob.narrow(1300)
        await until_swallowed(callee, 3)
        await counts_on(caller)
        assert not told(caller, "ended")


async def test_a_link_with_large_packets(network: Network) -> None:
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    for host in (alice, bob):
        host.narrow(9000)
    async with peer(bob, "bob"), peer(alice, "alice", call="bob") as caller:
        await counts_on(caller)
        await until_mtu(caller, 8912)


async def test_another_path_that_takes_less(network: Network) -> None:
    """After a restart nothing counts that was found out before."""
    alice, bob = network.host("alice", 11), network.host("bob", 12)
    for host in (alice, bob):
        host.narrow(9000)
    async with peer(bob, "bob") as callee, peer(alice, "alice", call="bob") as caller:
        await counts_on(caller)
        await until_mtu(caller, 8912)
        bob.narrow(1450)
        await caller.type("restart\n")
        await caller.event("restarted")
        await until_mtu(caller, 1332)
        await caller.type("flood\n")
        await until_swallowed(callee, 2)
