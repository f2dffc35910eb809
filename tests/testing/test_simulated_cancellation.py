"""Calls that are cancelled at one moment after the other, and calls that cross, in virtual time."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio

import trio_rtc
from trio_rtc.testing import Host, Link, Network, start_signaling_server

from .simulated import URL, echo, run, say

LINK = Link(delay=0.02)
MOMENTS = [0.02 + 0.07 * number for number in range(9)]
"""Seconds after both are there; the call stands after some 0.4 s, and is over after 0.6 s."""


async def be_called(ended: list[str], ready: trio.Event) -> None:
    async def take(call: trio_rtc.Call) -> None:
        await echo(call)
        ended.append((await call.wait_ended()).reason)

    async with trio_rtc.open_signaling(URL, name="bob") as signaling:
        ready.set()
        await trio_rtc.serve_calls(take, signaling, connect_timeout=5)


async def call_bob_once(ready: trio.Event) -> None:
    async with trio_rtc.open_signaling(URL, name="alice") as signaling:
        await signaling.wait_for_peer("bob")
        ready.set()
        async with trio_rtc.open_call(signaling, "bob", receive=(), connect_timeout=5) as call:
            await say(call, "hello")


async def check_nothing_is_open(*hosts: Host) -> None:
    # TCP keeps what was closed for a while, as a kernel does.
    await trio.sleep(120)
    for host in hosts:
        assert (host.name, host.udp, host.connections) == (host.name, {}, {})


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_at_each_moment_nothing_is_left_and_the_other_side_is_told(who: str) -> None:
    stood = 0

    async def program(network: Network) -> None:
        nonlocal stood
        await start_signaling_server(network)
        alice, bob = network.host("alice", link=LINK), network.host("bob", link=LINK)
        ended: list[str] = []
        for moment in MOMENTS:
            ready, there = trio.Event(), trio.Event()
            scopes = {name: trio.CancelScope() for name in ("alice", "bob")}
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_within, scopes["bob"], bob, be_called, ended, there)
                await there.wait()
                nursery.start_soon(_within, scopes["alice"], alice, call_bob_once, ready)
                await ready.wait()
                await trio.sleep(moment)
                scopes[who].cancel()
                began = trio.current_time()
                if who == "alice":
                    # She is gone at once, and he can be called again.
                    await trio.sleep(1)
                    assert len(bob.udp) == 0, f"a socket is left after {moment} s"
                    scopes["bob"].cancel()
            # Who is left alone is told, or learns it in the time that a call has.
            assert trio.current_time() - began < 7
            stood += len(ended)
            ended.clear()
        await check_nothing_is_open(alice, bob)

    run(program)
    if who == "alice":
        assert 0 < stood < len(MOMENTS)


async def _within(scope: trio.CancelScope, host: Host, fn: object, *args: object) -> None:
    with scope, suppress(trio_rtc.TrioRTCError, trio.BrokenResourceError, trio.EndOfChannel):
        await host.run(fn, *args)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_two_who_call_each_other_at_once_have_one_call(seed: int) -> None:
    async def program(network: Network) -> None:
        await start_signaling_server(network)
        link = Link(delay=0.03, jitter=0.03)
        said: list[str | bytes] = []

        async def call(me: str, peer: str) -> None:
            async with trio_rtc.open_signaling(URL, name=me) as signaling:
                await signaling.wait_for_peer(peer)
                async with trio_rtc.open_call(signaling, peer, receive=()) as call:
                    channel = await call.open_channel(f"of {me}")
                    theirs = await anext(aiter(call.channels))
                    await channel.send(me)
                    said.append(await theirs.receive())
                    await trio.sleep(1)
                assert call.end is not None

        async with trio.open_nursery() as nursery:
            for me, peer in (("alice", "bob"), ("bob", "alice")):
                nursery.start_soon(network.host(me, link=link).run, call, me, peer)
        assert set(said) == {"alice", "bob"}

    run(program, seed)
