"""Calls between hosts behind routers."""

from __future__ import annotations

from .conftest import STUN, TURN, TURN_TCP, counts_on, pair, peer
from .hosts import Host, Network, needs_network

pytestmark = needs_network


async def call(
    alice: Host, bob: Host, *servers: tuple[str, ...], direct: bool = False
) -> tuple[str, str]:
    """Have Alice call Bob, and tell by which pair; a direct one may be found a little later."""
    async with (
        peer(bob, "bob", *servers) as callee,
        peer(alice, "alice", *servers, call="bob") as caller,
    ):
        await counts_on(caller)
        while "relay" in (used := await pair(caller)) and direct:
            await counts_on(caller)
        await caller.type("hang_up\n")
        await caller.event("ended", reason="hung_up")
        await callee.event("ended", reason="peer_hung_up")
        assert await caller.exit_status() == 0
    return used


async def test_two_hosts_without_nat(network: Network) -> None:
    used = await call(network.host("alice", 11), network.host("bob", 12))
    assert used == ("host", "host")


async def test_two_hosts_behind_routers_that_keep_ports(network: Network) -> None:
    alice, bob = network.host_behind_nat("alice", 11), network.host_behind_nat("bob", 12)
    used = await call(alice, bob, STUN, TURN, direct=True)
    assert "relay" not in used
    assert set(used) <= {"host", "srflx", "prflx"}


async def test_a_host_behind_a_router_and_one_without(network: Network) -> None:
    alice, bob = network.host_behind_nat("alice", 11, symmetric=True), network.host("bob", 12)
    used = await call(alice, bob)
    assert used[1] == "host"


async def test_two_hosts_behind_symmetric_nat(network: Network) -> None:
    alice = network.host_behind_nat("alice", 11, symmetric=True)
    bob = network.host_behind_nat("bob", 12, symmetric=True)
    assert "relay" in await call(alice, bob, STUN, TURN)


async def test_a_host_whose_router_stops_udp(network: Network) -> None:
    alice = network.host_behind_nat("alice", 11, udp=False)
    used = await call(alice, network.host("bob", 12), STUN, TURN, TURN_TCP)
    assert used[0] == "relay"


async def test_no_way_at_all(network: Network) -> None:
    alice = network.host_behind_nat("alice", 11, udp=False)
    bob = network.host("bob", 12)
    async with peer(bob, "bob"), peer(alice, "alice", call="bob", connect_timeout=3) as caller:
        error = await caller.event("error")
    assert error["code"] in ("connection_lost", "connect_timeout")
