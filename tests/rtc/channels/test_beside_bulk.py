"""A message on one channel beside as much as can be sent on another."""

from __future__ import annotations

import trio

import trio_rtc
from trio_rtc.testing import Link, Network, start_signaling_server

from ...testing.simulated import URL, run

RATE = 10e6
TRIP = 0.1
QUEUE = 0.3 * TRIP


def waits(loss: float, count: int = 15) -> list[float]:
    """Seconds that each of some messages takes from one host to the other."""
    sent: list[float] = []
    times: list[float] = []

    async def take(call: trio_rtc.Call) -> None:
        async def drain(channel: trio_rtc.DataChannel) -> None:
            async for _ in channel:
                if channel.label == "small":
                    times.append(trio.current_time() - sent[len(times)])

        async with trio.open_nursery() as nursery:
            async for channel in call.channels:
                nursery.start_soon(drain, channel)

    async def answer() -> None:
        async with trio_rtc.open_signaling(URL, name="bob") as signaling:
            await trio_rtc.serve_calls(take, signaling)

    async def pour(channel: trio_rtc.DataChannel) -> None:
        while True:
            await channel.send(bytes(1024 * 1024))

    async def call() -> None:
        async with trio_rtc.open_signaling(URL, name="alice") as signaling:
            await signaling.wait_for_peer("bob")
            async with (
                trio_rtc.open_call(signaling, "bob") as call,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(pour, await call.open_channel("bulk"))
                small = await call.open_channel("small")
                await trio.sleep(2)
                for _ in range(count):
                    sent.append(trio.current_time())
                    await small.send(bytes(100))
                    await trio.sleep(0.13)
                await trio.sleep(1)
                nursery.cancel_scope.cancel()

    async def program(network: Network) -> None:
        link = Link(rate=RATE, delay=TRIP / 4, queue=int(RATE / 8 * TRIP), loss=loss / 2)
        alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))
        await start_signaling_server(network)
        bob.start_soon(answer)
        await alice.run(call)

    run(program)
    assert len(times) == count
    return times


def test_it_waits_for_a_packet_of_the_bulk_at_most() -> None:
    # Half a trip, and what is in the queue of the path: a part of the bulk would be 52 ms.
    times = sorted(waits(0.0))
    assert times[len(times) // 2] < 0.6 * TRIP
    assert times[-1] < 0.5 * TRIP + QUEUE


def test_where_some_is_lost() -> None:
    # What is lost is found and sent again within a trip and a half.
    times = sorted(waits(0.01))
    assert times[len(times) // 2] < 0.6 * TRIP
    assert times[-1] < 2 * TRIP + QUEUE
