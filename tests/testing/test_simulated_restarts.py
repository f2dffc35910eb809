"""Outages and restarts of ICE on a simulated network: what is told, and what is kept."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio

import trio_rtc
from trio_rtc.testing import Link, Network, SimulatedServer, connected_pair, start_signaling_server

from .simulated import URL, answer, call_bob, count_up, run, say

CLOSING = 3.0


async def open_echo(call: trio_rtc.Call, other: trio_rtc.Call) -> list[trio_rtc.DataChannel]:
    """Both ends of a data channel."""
    ours = await call.open_channel("chat")
    return [ours, await anext(aiter(other.channels))]


def states(network: Network, host: str) -> list[str]:
    """What became of the calls of a host, one after the other."""
    return [entry.text.split(" is ")[1] for entry in network.record.select("state", hosts=[host])]


def test_a_message_on_its_way_is_told_to_both_sides_when_the_call_is_given_up() -> None:
    async def program(network: Network) -> None:
        alice = network.host("alice", link=Link(delay=0.02, rate=1e6))
        broken: list[tuple[float, str]] = []

        async def use(channel: trio_rtc.DataChannel, side: str) -> None:
            with pytest.raises(trio.BrokenResourceError):
                if side == "alice":
                    while True:
                        await channel.send(bytes(60_000))
                async for _ in channel:
                    pass
            broken.append((trio.current_time(), side))

        options: dict[str, Any] = {"silence_timeout": 2, "restart_timeout": 1}
        async with connected_pair(network, **options) as (call, other):
            ours, theirs = await open_echo(call, other)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(use, ours, "alice")
                nursery.start_soon(use, theirs, "bob")
                await trio.sleep(5)
                alice.unplug()
            ends = [await side.wait_ended() for side in (call, other)]
        assert [end.reason for end in ends] == ["connection_lost"] * 2
        # Not when it is silent, but when there is no hope: silence, and the time for another way.
        assert {side for _, side in broken} == {"alice", "bob"}
        assert all(5 + 2 < at < 5 + 2 + 1 + 3 for at, _ in broken)
        assert states(network, "alice")[:2] == ["connected", "disconnected"]

    run(program)


@pytest.mark.parametrize("seed", range(5))
def test_both_restart_at_once_and_it_is_not_felt(seed: int) -> None:
    async def program(network: Network) -> None:
        for name in ("alice", "bob"):
            network.host(name, link=Link(delay=0.03, jitter=0.02, loss=0.02))
        async with connected_pair(network) as (call, other):
            ours, theirs = await open_echo(call, other)
            async with trio.open_nursery() as nursery:
                for side in (call, other):
                    nursery.start_soon(side.restart)
                for number in range(50):
                    await ours.send(str(number))
                    assert await theirs.receive() == str(number)
                    await trio.sleep(0.02)
            await call.restart()
        await trio.sleep(1)
        assert [text.split(",")[0] for text in states(network, "alice")] == ["connected", "ended"]

    run(program, seed)


@pytest.mark.parametrize("crashes", [False, True])
def test_who_is_restored_needs_the_server_only_then(crashes: bool) -> None:
    """With a server that comes back in time the call comes back; with a new one it does not."""

    async def program(network: Network) -> None:
        server = await start_signaling_server(network)
        alice, bob = network.host("alice"), network.host("bob")

        async def during(call: trio_rtc.Call) -> trio_rtc.CallEnd | None:
            await say(call, "hello")
            await lose_both(network, server)
            with trio.move_on_after(40):
                await call.wait_ended()
            if call.end is None:
                await say(call, "hello again")
            return call.end

        async def lose_both(network: Network, server: SimulatedServer) -> None:
            if crashes:
                server.crash()
            else:
                network.part([server.host], [alice, bob])
            bob.move()
            await trio.sleep(8)
            if crashes:
                await server.start()
            network.heal()

        with suppress(trio_rtc.SignalingLost):
            end = await call_bob(network, alice, bob, during)
            assert (end is None) is not crashes
            if crashes:
                assert end.reason == "connection_lost"

    run(program)


@pytest.mark.parametrize("restart_timeout", [0, 15])
def test_a_call_that_is_lost_can_be_hung_up(restart_timeout: float) -> None:
    async def program(network: Network) -> None:
        alice = network.host("alice")
        network.host("bob")
        options: dict[str, Any] = {"restart_timeout": restart_timeout, "close_timeout": CLOSING}
        async with connected_pair(network, **options) as (call, other):
            ours, _ = await open_echo(call, other)
            await ours.send("hello")
            alice.unplug()
            await trio.sleep(6)
            if restart_timeout:
                assert call.end is None
                # Nothing of what is on its way arrives.
                with trio.fail_after(CLOSING + 0.1):
                    await call.hang_up("enough")
            with trio.fail_after(1):
                ends = [await side.wait_ended() for side in (call, other)]
        reasons = ["hung_up", "peer_hung_up"] if restart_timeout else ["connection_lost"] * 2
        assert [end.reason for end in ends] == reasons

    run(program)


def test_a_close_goes_on_as_long_as_something_arrives() -> None:
    async def program(network: Network) -> None:
        link = Link(rate=200e3, delay=0.02)
        for name in ("alice", "bob"):
            network.host(name, link=link)
        async with connected_pair(network, close_timeout=1) as (call, other):
            ours, theirs = await open_echo(call, other)
            taken: list[str | bytes] = []

            async def take() -> None:
                async for message in theirs:
                    taken.append(message)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(take)
                await ours.send(bytes(200_000))
                began = trio.current_time()
                await ours.aclose()
            assert trio.current_time() - began > 3
            assert taken == [bytes(200_000)]

    run(program)


def test_a_session_that_is_away_for_too_long_is_lost_and_its_calls_go_on() -> None:
    async def program(network: Network) -> None:
        server = await start_signaling_server(network)
        alice, bob = network.host("alice"), network.host("bob")
        lost = trio.Event()

        async def call() -> None:
            async with trio_rtc.open_signaling(URL, name="alice") as signaling:
                await signaling.wait_for_peer("bob")
                async with trio_rtc.open_call(signaling, "bob") as call:
                    await say(call, "hello")
                    network.part([alice], [server.host])
                    with pytest.raises(trio_rtc.SignalingLost):
                        async for _ in signaling:
                            pass
                    lost.set()
                    await count_up(call, 100)
                    assert call.end is None

        bob.start_soon(answer)
        await alice.run(call)
        assert lost.is_set()
        assert states(network, "alice")[-1] == "ended, hung_up"

    run(program)
