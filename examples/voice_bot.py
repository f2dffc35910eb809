#!/usr/bin/env python3
"""Answers who calls in tones, one for each half second that was said, and can be interrupted.

Speech is told from silence by how loud it is; after 0.6 s of silence it is the program's turn.
Where it makes tones, a program of yours has a language model and text to speech.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
from array import array
from collections.abc import Iterator

import trio

import trio_rtc

RATE = 16000
PAUSE = 30
"""Blocks of 20 ms without speech, after which it is our turn."""

SCALE = (262, 294, 330, 349, 392, 440, 494, 523)
"""Hz, from C to C."""


def tone(pitch: float, seconds: float = 0.5) -> bytes:
    count = round(RATE * seconds)
    # Without its ends it would click.
    shape = (min(n, count - n, 400) / 400 for n in range(count))
    wave = (math.sin(2 * math.pi * pitch * n / RATE) for n in range(count))
    return array("h", [round(8000 * s * w) for s, w in zip(shape, wave, strict=True)]).tobytes()


def answer_to(spoken: int) -> Iterator[bytes]:
    """What to say, piece by piece, as a text-to-speech program gives it."""
    for number in range(max(spoken // 25, 1)):
        yield tone(SCALE[number % len(SCALE)])


async def talk(call: trio_rtc.Call) -> None:
    is_speech = trio_rtc.EnergyDetector()
    spoken = silent = 0
    async with trio_rtc.open_voice(call, RATE) as voice:
        async for block in voice:
            if is_speech(block):
                spoken, silent = spoken + 1, 0
                continue
            silent += 1
            if not spoken or silent < PAUSE:
                continue
            with voice.until_interrupted() as scope:
                for piece in answer_to(spoken):
                    await voice.play(piece)
                await voice.played()
            if scope.cancelled_caught:
                left = len(voice.clear()) / 2 / RATE
                print(f"{call.peer} has interrupted, {left:.2f} s were not played", flush=True)
            spoken = silent = 0


async def serve(server: str, name: str) -> None:
    async def answer(call: trio_rtc.Call) -> None:
        print(f"{call.peer} has called", flush=True)
        try:
            await talk(call)
        except trio_rtc.CallError as error:
            if error.code != "call_ended":
                raise
        print(f"{call.peer}: {call.end}", flush=True)

    async with trio_rtc.open_signaling(server, name=name) as signaling:
        print(f"signed in as {name}", flush=True)
        await trio_rtc.serve_calls(answer, signaling)


async def until_stopped(server: str, name: str) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, server, name)
            await anext(signals)
            nursery.cancel_scope.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="voice", help="what others call us by")
    arguments = parser.parse_args()
    try:
        trio.run(until_stopped, arguments.server, arguments.name)
    except* trio_rtc.TrioRTCError as group:
        sys.exit(f"{parser.prog}: {group.exceptions[0]}")


if __name__ == "__main__":
    main()
