"""What a connection makes of changes to the addresses of its machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from trio_rtc.rtc import IceGatherOptions
from trio_rtc.rtc.backend.ice.host_addresses import host_addresses
from trio_rtc.rtc.network_watch import NetworkWatch
from trio_rtc.world import REAL, World, set_world

ETH, WIFI, DOCKER, PEER = "192.0.2.1", "198.51.100.1", "172.18.0.1", "203.0.113.7"


class Machine(World):
    """One whose addresses change, and which sends by the last one of `order` that it has."""

    def __init__(self, *addresses: str):
        self.addresses = list(addresses)
        self.order = [ETH, WIFI]
        self._send, self._receive = trio.open_memory_channel[None](10)

    def interfaces(self) -> list[tuple[str, str]]:
        return [("lo", "127.0.0.1"), *((f"if{n}", a) for n, a in enumerate(self.addresses))]

    def source_for(self, to: str) -> str | None:
        assert to == PEER
        return next((a for a in reversed(self.order) if a in self.addresses), None)

    @asynccontextmanager
    async def address_changes(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        yield self._receive.receive

    async def change(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        await self._send.send(None)
        await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def watching(
    machine: Machine, own: str = ETH, options: IceGatherOptions | None = None
) -> AsyncIterator[list[str]]:
    """What a connection over one of the addresses is told; it is silent once that is gone."""
    told: list[str] = []

    async def routes() -> list[tuple[str, str]]:
        return [(own, PEER)]

    async def lost() -> None:
        told.append("lost")

    async def gathered() -> frozenset[str]:
        return first

    watch = NetworkWatch(
        options or IceGatherOptions(),
        gathered,
        routes,
        lambda: "lost" in told,
        lost,
        lambda: told.append("changed"),
    )
    set_world(machine)
    first = frozenset(host_addresses(options or IceGatherOptions()))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.run)
            await trio.testing.wait_all_tasks_blocked()
            yield told
            nursery.cancel_scope.cancel()
    finally:
        set_world(REAL)


async def test_an_address_that_goes() -> None:
    machine = Machine(ETH)
    async with watching(machine) as told:
        await machine.change()
        assert told == ["lost"]
        await machine.change()
        assert told == ["lost"]
        await machine.change(WIFI)
        assert told == ["lost", "changed"]


async def test_one_that_takes_its_place() -> None:
    machine = Machine(ETH)
    async with watching(machine) as told:
        await machine.change(WIFI)
    assert told == ["lost"]


async def test_one_by_which_packets_go_from_now_on() -> None:
    machine = Machine(ETH)
    async with watching(machine) as told:
        await machine.change(ETH, WIFI)
        assert told == ["changed"]
        await machine.change(ETH, WIFI)
        assert told == ["changed"]


async def test_a_route_may_come_after_its_address() -> None:
    machine = Machine(ETH)
    machine.order = [WIFI, ETH]
    async with watching(machine) as told:
        await machine.change(ETH, WIFI)
        assert told == []
        machine.order = [ETH, WIFI]
        await machine.change(ETH, WIFI)
        assert told == ["changed"]


@pytest.mark.parametrize(
    "changes", [[(ETH, DOCKER), (ETH,)], [(ETH,)], [(DOCKER, ETH), (WIFI, ETH)]]
)
async def test_what_is_of_no_concern(changes: list[tuple[str, ...]]) -> None:
    machine = Machine(ETH, DOCKER)
    machine.order = [WIFI, ETH]
    async with watching(machine) as told:
        for addresses in changes:
            await machine.change(*addresses)
    assert told == []


async def test_one_that_candidates_are_not_to_have() -> None:
    machine = Machine(ETH)
    async with watching(machine, options=IceGatherOptions(interfaces=[f"!{WIFI}"])) as told:
        await machine.change(ETH, WIFI)
    assert told == []
