"""A signaling server, and two who call each other, on a simulated network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio
from trio.testing import MockClock

import trio_rtc
from trio_rtc.testing.network.host import Host
from trio_rtc.testing.network.network import Network

URL = "ws://server:8888"


def run(fn: Callable[[Network], Awaitable[Any]], seed: int = 0) -> Any:
    """Run it with a network of this seed."""

    async def main() -> Any:
        async with Network(seed) as network:
            return await fn(network)

    return trio.run(main, clock=MockClock(autojump_threshold=0))


async def serve(host: Host) -> None:
    """Have a host be a signaling server."""
    await host.start(partial(trio_rtc.serve_signaling, 8888, host="0.0.0.0"))


async def echo(call: trio_rtc.Call) -> None:
    """Give back what comes."""
    async for channel in call.channels:
        async for message in channel:
            await channel.send(message)


async def answer(name: str = "bob", **options: Any) -> None:
    """Take calls, and give back what comes."""
    async with trio_rtc.open_signaling(URL, name=name) as signaling:
        await trio_rtc.serve_calls(echo, signaling, **options)


async def say(call: trio_rtc.Call, *messages: str) -> None:
    """Send messages, each of which comes back."""
    async with await call.open_channel("chat") as channel:
        for message in messages:
            await channel.send(message)
            assert await channel.receive() == message
