#!/usr/bin/env python3
"""A bridge between two rooms: who calls it in one is connected with somebody in the other.

Peers of two rooms do not see each other, so that two groups may share a server. The bridge is
signed in to both, under one name. It calls `--to` in the other room, and passes on channels and
tracks both ways.
"""

from __future__ import annotations

import argparse
from functools import partial

import trio

import trio_rtc


async def pipe(source: trio_rtc.DataChannel, target: trio_rtc.DataChannel) -> None:
    """Pass messages on until one side ends. A slow reader slows the one who sends."""
    async with source, target:
        async for message in source:
            await target.send(message)


async def pass_on(here: trio_rtc.Call, there: trio_rtc.Call) -> None:
    """Open each channel of one call in the other, too, and add its tracks."""

    async def join(channel: trio_rtc.DataChannel) -> None:
        other = await there.open_channel(
            channel.label,
            ordered=channel.ordered,
            max_retransmits=channel.max_retransmits,
            protocol=channel.protocol,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipe, channel, other)
            nursery.start_soon(pipe, other, channel)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio_rtc.serve_channels, join, here)
        async for track in here.tracks:
            nursery.start_soon(there.add_track, track)


async def connect(other_room: trio_rtc.Signaling, to: str, call: trio_rtc.Call) -> None:
    """A handler of calls: the call goes on in the other room, until one of the two hangs up."""
    async with trio_rtc.open_call(other_room, to) as there, trio.open_nursery() as nursery:
        nursery.start_soon(pass_on, call, there)
        nursery.start_soon(pass_on, there, call)

        async def end(one: trio_rtc.Call) -> None:
            await one.wait_ended()
            nursery.cancel_scope.cancel()

        nursery.start_soon(end, call)
        nursery.start_soon(end, there)


async def serve(server: str, name: str, room: str, other: str, to: str) -> None:
    async with (
        trio_rtc.open_signaling(server, name=name, room=room) as first,
        trio_rtc.open_signaling(server, name=name, room=other) as second,
    ):
        print(f"call {name} in {room} to reach {to} in {other}", flush=True)
        await trio_rtc.serve_calls(partial(connect, second, to), first)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="bridge", help="what it is called, in both rooms")
    parser.add_argument("--room", required=True, help="where it is called")
    parser.add_argument("--other", required=True, help="where it calls")
    parser.add_argument("--to", required=True, help="whom it calls there")
    arguments = parser.parse_args()
    try:
        trio.run(
            serve,
            arguments.server, arguments.name, arguments.room, arguments.other, arguments.to,
        )  # fmt: skip
    except* KeyboardInterrupt:
        pass
