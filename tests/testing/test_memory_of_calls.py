"""Memory of calls that go on and on: it is bounded, whatever is lost on the way."""

from __future__ import annotations

import gc
from collections import Counter

import trio

import trio_rtc
from trio_rtc.testing import Link, Network

from .simulated import call_bob, run

MORE = 50
"""Objects of which it may be more at one time than at another: packets, and timers."""

OURS = ("trio_rtc.", "aiortc.", "aioice.")


def objects() -> Counter[str]:
    """How many there are of each class of calls; the record of a simulation grows as it is told."""
    gc.collect()
    names = (f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return Counter(
        name for name in names if name.startswith(OURS) and "trio_rtc.testing." not in name
    )


def test_three_times_as_long_takes_no_more() -> None:
    """Messages that come again, and others that do not and nobody reads, through restarts."""
    counted: list[Counter[str]] = []

    async def program(network: Network) -> None:
        alice, bob = (network.host(name, link=Link(delay=0.02, loss=0.02)) for name in "ab")

        async def during(call: trio_rtc.Call) -> None:
            async with (
                await call.open_channel("all") as reliable,
                await call.open_channel("new", ordered=False, max_retransmits=0) as lossy,
            ):
                for second in range(301):
                    await lossy.send(bytes(30_000))
                    await reliable.send(str(second))
                    assert await reliable.receive() == str(second)
                    if second in (100, 300):
                        counted.append(objects())
                    if second % 50 == 25:
                        await call.restart()
                    await trio.sleep(1)

        await call_bob(network, alice, bob, during)

    run(program)
    early, late = counted
    assert late.total() < early.total() + MORE, late - early
