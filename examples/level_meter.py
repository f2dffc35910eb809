#!/usr/bin/env python3
"""Tells each caller how loud they are, five times a second, as a bar in the chat.

Sound comes as blocks of PCM (`open_voice`); the loudness of a block is its root mean square in dB
below full scale. Good to see whether a microphone works.
"""

from __future__ import annotations

import argparse
import math
from array import array

import trio

import trio_rtc

RATE = 16000
BLOCKS = 10
"""Of 20 ms, in one line."""


def loudness(pcm: bytes) -> float:
    """In dBFS: 0 is the loudest square wave, -91 a single bit, and silence is minus infinity."""
    samples = array("h", pcm)
    power = sum(sample * sample for sample in samples) / max(len(samples), 1)
    return 10 * math.log10(power / 32768**2) if power else -math.inf


def bar(level: float) -> str:
    filled = round(min(max((level + 60) / 2, 0), 30))
    return f"{'#' * filled:<30} {level:6.1f} dBFS"


async def measure(call: trio_rtc.Call) -> None:
    """A handler of calls."""
    async with (
        trio_rtc.open_voice(call, rate=RATE) as voice,
        await call.open_channel("chat") as channel,
    ):
        pcm = bytearray()
        async for block in voice:
            pcm += block
            if len(pcm) >= BLOCKS * len(block):
                await channel.send(bar(loudness(bytes(pcm))))
                pcm.clear()


async def serve(server: str, name: str) -> None:
    async with trio_rtc.open_signaling(server, name=name) as signaling:
        print(f"call {name}, and say something", flush=True)
        await trio_rtc.serve_calls(measure, signaling)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="meter", help="what others call us by")
    arguments = parser.parse_args()
    try:
        trio.run(serve, arguments.server, arguments.name)
    except* KeyboardInterrupt:
        pass
