"""A peer on a host: calls or answers, and counts over a data channel; tells what happens as JSON.

Its argument is a JSON object: ``url``, ``name``, ``call`` (whom; it answers without), and
``options`` for `open_call` or `serve_calls`. The lines of its input are commands: ``stats``,
``restart``, ``hang_up``, and ``flood``: send large messages without end.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import trio

from trio_rtc import Call, CallStep, TrioRTCError, open_call, open_signaling, serve_calls
from trio_rtc.rtc import DataChannel, IceServer


def tell(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def trace(step: CallStep) -> None:
    if step.name in ("connected", "disconnected"):
        tell(step.name)


async def answer(call: Call) -> None:
    async with trio.open_nursery() as nursery:
        async for channel in call.channels:
            nursery.start_soon(echo if channel.label == "count" else swallow, channel)
    tell("ended", reason=(await call.wait_ended()).reason)


async def echo(channel: DataChannel) -> None:
    try:
        async for message in channel:
            await channel.send(message)
    except trio.BrokenResourceError:
        pass


async def swallow(channel: DataChannel) -> None:
    try:
        async for _ in channel:
            tell("swallowed")
    except trio.BrokenResourceError as error:
        tell("broken", message=str(error))


async def flood(call: Call) -> None:
    channel = await call.open_channel("flood")
    try:
        while True:
            await channel.send(bytes(4 * 2**20))
    except trio.BrokenResourceError as error:
        tell("broken", message=str(error))


async def count(call: Call) -> None:
    async with await call.open_channel("count") as channel:
        number = 0
        while True:
            try:
                await channel.send(str(number))
                assert await channel.receive() == str(number)
            except (trio.BrokenResourceError, trio.EndOfChannel, trio.ClosedResourceError):
                return
            tell("counted", number=number)
            number += 1
            await trio.sleep(0.02)


async def obey(call: Call, nursery: trio.Nursery) -> None:
    async with trio.lowlevel.FdStream(os.dup(0)) as commands:
        async for line in commands:
            match line.strip():
                case b"stats":
                    stats = await call.stats()
                    assert stats.local_candidate
                    assert stats.remote_candidate
                    pair = [stats.local_candidate.type, stats.remote_candidate.type]
                    tell("stats", pair=pair, address=stats.local_candidate.address, mtu=stats.mtu)
                case b"restart":
                    await call.restart()
                    tell("restarted")
                case b"flood":
                    nursery.start_soon(flood, call)
                case b"hang_up":
                    await call.hang_up("done")


async def main(arguments: dict[str, Any]) -> None:
    options = arguments["options"]
    options["ice_servers"] = [IceServer(*server) for server in options["ice_servers"]]
    async with open_signaling(arguments["url"], name=arguments["name"]) as signaling:
        tell("signed_in")
        if (whom := arguments.get("call")) is None:
            await serve_calls(answer, signaling, trace=trace, **options)
        await signaling.wait_for_peer(whom)
        async with (
            open_call(signaling, whom, receive=(), trace=trace, **options) as call,
            trio.open_nursery() as nursery,
            trio.open_nursery() as commands,
        ):
            nursery.start_soon(count, call)
            commands.start_soon(obey, call, nursery)
            tell("ended", reason=(await call.wait_ended()).reason)
            commands.cancel_scope.cancel()


async def told() -> None:
    try:
        await main(json.loads(sys.argv[1]))
    except TrioRTCError as error:
        tell("error", code=error.code, message=str(error))


if __name__ == "__main__":
    trio.run(told)
