"""One UDP port for all calls of a process, on a simulated network."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio

import trio_rtc
from trio_rtc import IceGatherOptions
from trio_rtc.testing import Host, Network, start_signaling_server

from .simulated import URL, answer, count_up, run, say

PORT = 50_000
ONE_PORT = IceGatherOptions(udp_mux=PORT)


async def call_bob_as(name: str, during: Any, **options: Any) -> None:
    async with trio_rtc.open_signaling(URL, name=name) as signaling:
        await signaling.wait_for_peer("bob")
        async with trio_rtc.open_call(signaling, "bob", **options) as call:
            await during(call)


async def talk(call: trio_rtc.Call) -> None:
    """Say a lot, over a connection that is restarted meanwhile."""
    await say(call, "hello", call.peer.name)
    await call.restart()
    await count_up(call, 10)
    stats = await call.stats()
    assert stats.remote_candidate is not None
    assert stats.remote_candidate.port == PORT


async def open_bob(network: Network, **options: Any) -> Host:
    """Bob takes calls on his one port."""
    await start_signaling_server(network)
    bob = network.host("bob")
    bob.start_soon(lambda: answer(ice_gathering=ONE_PORT, **options))
    return bob


def test_many_callers_on_one_port() -> None:
    """From hosts of their own, from one and the same, and from behind one address."""

    async def program(network: Network) -> None:
        bob = await open_bob(network)
        home = network.router("home", keeps_ports=False)
        hosts = [network.host("carol"), *[network.host(f"host {n}", router=home) for n in (1, 2)]]
        ended: list[str] = []

        async def take_part(host: Host, number: int) -> None:
            # One after the other is set up, talks and ends, while others do.
            await trio.sleep(number / 4)
            await host.run(call_bob_as, f"{host.name} {number}", talk)
            ended.append(host.name)

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(take_part, hosts[number % 3], number)
            await trio.sleep(1)
            assert [port for _, port in bob.udp] == [PORT]
        assert len(ended) == 4
        await trio.sleep(10)
        assert not bob.udp
        # It can be bound again.
        await hosts[0].run(call_bob_as, "carol again", talk)

    run(program)


def test_it_is_the_caller_who_has_one_port() -> None:
    async def program(network: Network) -> None:
        await start_signaling_server(network)
        alice = network.host("alice")
        for name in ("bob", "dave"):
            network.host(name).start_soon(answer, name)

        async def call(peer: str) -> None:
            async with trio_rtc.open_signaling(URL, name=f"to {peer}") as signaling:
                await signaling.wait_for_peer(peer)
                async with trio_rtc.open_call(signaling, peer, ice_gathering=ONE_PORT) as call:
                    await say(call, "hello", peer)
                    stats = await call.stats()
                    assert stats.local_candidate is not None
                    assert stats.local_candidate.port == PORT

        async with trio.open_nursery() as nursery:
            for peer in ("bob", "dave"):
                nursery.start_soon(alice.run, call, peer)

    run(program)


def test_with_a_stun_server_and_behind_a_router() -> None:
    async def program(network: Network) -> None:
        await start_signaling_server(network)
        turn = network.turn_server()
        bob = network.host("bob", router=network.router("bob's"))
        options: dict[str, Any] = {"ice_servers": [turn.stun, turn.turn]}
        bob.start_soon(lambda: answer(ice_gathering=ONE_PORT, **options))

        async def see(call: trio_rtc.Call) -> None:
            await say(call, "hello")
            stats = await call.stats()
            assert stats.remote_candidate is not None
            assert stats.remote_candidate.type in ("srflx", "prflx")

        async with trio.open_nursery() as nursery:
            for name in ("alice", "carol"):
                host = network.host(name, router=network.router(f"{name}'s"))
                for number in (1, 2):
                    caller = partial(call_bob_as, f"{name} {number}", see, **options)
                    nursery.start_soon(host.run, caller)

    run(program)


def test_strangers_are_not_heard() -> None:
    """Who knows nothing of a call cannot take part in it, and holds nothing up."""

    async def program(network: Network) -> None:
        bob = await open_bob(network)
        alice, mallory = network.host("alice"), network.host("mallory")

        async def during(call: trio_rtc.Call) -> None:
            with mallory:
                sock = mallory.bind(("", 0), lambda data, source: None)
            request = b"\0\1\0\x10" + bytes(16) + b"\0\6\0\5ab:cd\0\0\0" + b"\0\x25\0\0"
            answer = b"\1\1" + bytes(18)
            for data in (b"", b"\0", bytes(20), bytes(70), request, answer, b"\x16" * 99):
                sock.send(data, (bob.address, PORT))
            await count_up(call, 20)

        await alice.run(call_bob_as, "alice", during)

    run(program)


def test_a_host_that_moves_has_its_port_at_its_other_address() -> None:
    async def program(network: Network) -> None:
        bob = await open_bob(network)

        async def during(call: trio_rtc.Call) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(count_up, call, 60)
                await trio.sleep(2)
                bob.move()
            stats = await call.stats()
            assert stats.remote_candidate is not None
            assert (stats.remote_candidate.address, stats.remote_candidate.port) == (
                bob.address,
                PORT,
            )

        async with trio.open_nursery() as nursery:
            for name in ("alice", "carol"):
                caller = partial(call_bob_as, name, during)
                nursery.start_soon(network.host(name).run, caller)

    run(program)


async def keep_calling(whom: str, **options: Any) -> None:
    """Call somebody from the one port, and have the call restart its ICE meanwhile."""
    async with trio_rtc.open_signaling(URL, name=f"to {whom}") as signaling:
        await signaling.wait_for_peer(whom)
        async with trio_rtc.open_call(signaling, whom, ice_gathering=ONE_PORT, **options) as call:
            await count_up(call, 5, 0.2)
            await call.restart()
            await count_up(call, 5, 0.2)


@pytest.mark.parametrize(
    ("place", "at_once"),
    [
        ("two hosts", True),
        ("two hosts of IPv6", True),
        ("one host", True),
        ("two routers", True),
        ("one of two routers", False),
    ],
)
def test_several_calls_between_two_that_have_one_port_each(place: str, at_once: bool) -> None:
    """All but one of them take a port of their own, wherever the other side is."""

    async def program(network: Network) -> None:
        addresses = [f"2001:db8::{n}" if "IPv6" in place else None for n in range(1, 4)]
        network.host("server", address=addresses[2])
        await start_signaling_server(network)
        if place == "one host":
            callers = callees = network.host("alice")
        else:
            routed = {"two routers": 2, "one of two routers": 1}.get(place, 0)
            routers = [network.router(f"router {n}") if routed > n else None for n in (0, 1)]
            callers = network.host("alice", router=routers[0], address=addresses[0])
            callees = network.host("bob", router=routers[1], address=addresses[1])
        servers = [network.turn_server().stun] if place == "two routers" else []
        names = ("bob", "carol", "dave")
        for name in names:
            options: Any = {"ice_gathering": ONE_PORT, "ice_servers": servers}
            callees.start_soon(partial(answer, name, **options))
        ended: list[str] = []

        async def call(number: int) -> None:
            if not at_once:
                await trio.sleep(number / 2)
            await callers.run(partial(keep_calling, names[number], ice_servers=servers))
            ended.append(names[number])

        async with trio.open_nursery() as nursery:
            for number in range(len(names)):
                nursery.start_soon(call, number)
        assert sorted(ended) == sorted(names)

    run(program)
