"""A signaling server, and those who call each other, on a simulated network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Any

import trio
from trio.testing import MockClock

import trio_rtc
from trio_rtc.testing import Host, Network, start_signaling_server

URL = "ws://server:8888"


def run(fn: Callable[[Network], Awaitable[Any]], seed: int = 0) -> Any:
    """Run it with a network of this seed."""

    async def main() -> Any:
        async with Network(seed) as network:
            return await fn(network)

    return trio.run(main, clock=MockClock(autojump_threshold=0))


async def echo(call: trio_rtc.Call) -> None:
    """Give back what comes."""
    async for channel in call.channels:
        try:
            async for message in channel:
                await channel.send(message)
        except trio.BrokenResourceError:
            return


async def answer(name: str = "bob", **options: Any) -> None:
    """Take calls, and give back what comes, as long as the server knows us."""
    async with trio_rtc.open_signaling(URL, name=name) as signaling:
        with suppress(trio_rtc.SignalingLost):
            await trio_rtc.serve_calls(echo, signaling, **options)


async def say(call: trio_rtc.Call, *messages: str) -> None:
    """Send messages, each of which comes back."""
    async with await call.open_channel("chat") as channel:
        for message in messages:
            await channel.send(message)
            assert await channel.receive() == message


async def count_up(call: trio_rtc.Call, last: int, pause: float = 0.1) -> None:
    """Send numbers, each of which comes back, up to the last one."""
    async with await call.open_channel("count") as channel:
        for number in count():
            await channel.send(str(number))
            assert await channel.receive() == str(number)
            if number == last:
                return
            await trio.sleep(pause)


async def call_bob(
    network: Network,
    alice: Host,
    bob: Host,
    during: Callable[[trio_rtc.Call], Awaitable[Any]],
    **options: Any,
) -> Any:
    """Have Alice call Bob by a server, unless there is one, and do something in the call."""
    if "server" not in network.hosts:
        await start_signaling_server(network)
    bob.start_soon(lambda: answer(**options))

    async def call() -> Any:
        async with trio_rtc.open_signaling(URL, name="alice") as signaling:
            await signaling.wait_for_peer("bob")
            async with trio_rtc.open_call(signaling, "bob", **options) as call:
                return await during(call)

    return await alice.run(call)


async def used_pair(call: trio_rtc.Call) -> tuple[str, str]:
    """The types of the candidates in use, after something was said."""
    await say(call, "hello")
    stats = await call.stats()
    assert stats.local_candidate is not None
    assert stats.remote_candidate is not None
    return stats.local_candidate.type, stats.remote_candidate.type
