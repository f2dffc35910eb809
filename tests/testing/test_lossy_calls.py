"""Calls over paths that lose one packet in twenty, each way."""

from __future__ import annotations

from contextlib import suppress
from statistics import median

import trio

import trio_rtc
from trio_rtc.testing import Link, Network, start_signaling_server

from .simulated import URL, answer, run

TRIP = 0.05


def first_echo_and_end(seed: int) -> tuple[float, float]:
    """Seconds from the start of a call to its first answer, and those that its end takes."""

    async def call() -> tuple[float, float]:
        async with trio_rtc.open_signaling(URL, name="alice") as signaling:
            await signaling.wait_for_peer("bob")
            began = trio.current_time()
            async with trio_rtc.open_call(signaling, "bob") as call:
                channel = await call.open_channel("chat")
                await channel.send("hello")
                assert await channel.receive() == "hello"
                answered = trio.current_time()
                await call.hang_up()
                return answered - began, trio.current_time() - answered

    async def program(network: Network) -> tuple[float, float]:
        link = Link(delay=TRIP / 4, loss=0.025)
        alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))
        await start_signaling_server(network)
        bob.start_soon(answer)
        echo, end = await alice.run(call)
        return echo, end

    echo, end = run(program, seed)
    return echo, end


def test_a_call_is_set_up_and_ended_soon() -> None:
    times = [first_echo_and_end(seed) for seed in range(21)]
    assert median(echo for echo, _ in times) < 0.7
    assert max(end for _, end in times) < 1


def end_of_bob(cut: float, crash: bool) -> tuple[trio_rtc.CallEnd, float]:
    """Why a call is over for Bob, and how long it takes him to know, if Alice is cut off.

    It is from the server that she is cut off, and at the end: the connection closes at once, and
    her hang-up comes when TCP sends it again, unless the server is gone for good.
    """
    ends: list[tuple[trio_rtc.CallEnd, float]] = []

    async def note_end(call: trio_rtc.Call) -> None:
        channel = await anext(call.channels)
        with suppress(trio.EndOfChannel):
            await channel.receive()
        closed = trio.current_time()
        ends.append((await call.wait_ended(), trio.current_time() - closed))

    async def program(network: Network) -> None:
        server = await start_signaling_server(network)
        alice, bob = network.host("alice"), network.host("bob")

        async def be_called() -> None:
            async with trio_rtc.open_signaling(URL, name="bob") as signaling:
                with suppress(trio_rtc.SignalingLost):
                    await trio_rtc.serve_calls(note_end, signaling)

        async def call() -> None:
            async with trio_rtc.open_signaling(URL, name="alice") as signaling:
                await signaling.wait_for_peer("bob")
                async with trio_rtc.open_call(signaling, "bob") as call:
                    await call.open_channel("chat")
                    await trio.sleep(1)
                    if crash:
                        server.crash()
                        await server.start()
                        await trio.sleep(1)
                    network.part([alice], [server.host])
                    await call.hang_up("enough")
                await trio.sleep(cut)
                network.heal()
                await trio.sleep(20)

        bob.start_soon(be_called)
        await alice.run(call)

    run(program)
    (end,) = ends
    return end


def test_a_hang_up_that_is_sent_again_is_waited_for() -> None:
    end, seconds = end_of_bob(cut=3, crash=False)
    assert str(end) == "peer_hung_up: enough"
    assert seconds < 6


def test_a_hang_up_that_cannot_come_is_not_waited_for() -> None:
    end, seconds = end_of_bob(cut=3, crash=True)
    assert end.reason == "connection_closed"
    assert seconds < 1
