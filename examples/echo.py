#!/usr/bin/env python3
"""Sends back whatever comes: each message on its channel, and sound and pictures on tracks.

The least that answers calls, and good to see whether a network carries them: call it from the
page and hear yourself, or let `trio-rtc client --call echo` tell the round trip.
"""

from __future__ import annotations

import argparse

import trio

import trio_rtc


async def echo(channel: trio_rtc.DataChannel) -> None:
    async for message in channel:
        await channel.send(message)


async def answer(call: trio_rtc.Call) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio_rtc.serve_channels, echo, call)
        async for track in call.tracks:
            nursery.start_soon(call.add_track, track)


async def serve(server: str, name: str) -> None:
    async with trio_rtc.open_signaling(server, name=name) as signaling:
        print(f"signed in as {name}", flush=True)
        await trio_rtc.serve_calls(answer, signaling)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="echo", help="what others call us by")
    arguments = parser.parse_args()
    try:
        trio.run(serve, arguments.server, arguments.name)
    except* KeyboardInterrupt:
        pass
