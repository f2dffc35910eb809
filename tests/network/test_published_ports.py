"""Hosts whose address is not the one that others reach them by: containers, and those of clouds."""

from __future__ import annotations

from dataclasses import dataclass

from .conftest import counts_on, pair, peer
from .hosts import PUBLIC, Host, Network, needs_network, run

pytestmark = needs_network

PORT = 50_000


@dataclass(frozen=True)
class Configured(Host):
    """A host whose programs have some environment variables."""

    variables: tuple[str, ...] = ()

    @property
    def prefix(self) -> tuple[str, ...]:
        return (*super().prefix, "env", *self.variables)


def published(network: Network, what: str, **variables: str) -> Configured:
    """A host at a private address, to which a router passes on what comes to a public one."""
    number = 12
    host = network.host_behind_nat("bob", number)
    rules = f"""
        table ip published {{
            chain in {{
                type nat hook prerouting priority -100;
                iif "eth0" {what} dnat to 10.0.{number}.2
            }}
        }}"""
    run("ip", "netns", "exec", f"{host.namespace}-nat", "nft", "-f", "-", text=rules)
    told = {"TRIO_RTC_ADVERTISE": f"{PUBLIC}.{number}", **variables}
    pairs = tuple(f"{name}={value}" for name, value in told.items())
    return Configured(host.namespace, host.outside, host.port, pairs)


async def called_by(network: Network, bob: Configured) -> None:
    """Bob is called by two at a time, without a STUN or TURN server anywhere."""
    alice, carol = network.host("alice", 11), network.host_behind_nat("carol", 13)
    async with (
        peer(bob, "bob"),
        peer(alice, "alice", call="bob") as first,
        peer(carol, "carol", call="bob") as second,
    ):
        for caller in (first, second):
            await counts_on(caller)
            assert (await pair(caller))[1] == "host"


async def test_a_container_with_one_published_port(network: Network) -> None:
    bob = published(network, f"udp dport {PORT}", TRIO_RTC_UDP_MUX=str(PORT))
    await called_by(network, bob)


async def test_a_machine_of_a_cloud(network: Network) -> None:
    """Whose public address stands for its own, port by port."""
    await called_by(network, published(network, "meta l4proto udp"))
