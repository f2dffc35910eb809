"""Calls over paths that lose one packet in twenty, each way."""

from __future__ import annotations

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
