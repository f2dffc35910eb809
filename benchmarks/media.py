#!/usr/bin/env python3
"""CPU time of a call with pictures and sound, beside plain aiortc on asyncio, and libwebrtc.

Each side sends and receives 640x480 pixels 30 times a second and a tone; what arrives is read by
the program. Both peers are in one process, which is all that runs in it: a process per turn, the
kinds in turns. Printed are medians of the CPU seconds per second of media, the spread, and the
ratio. ``--json FILE`` writes the same as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from measuring import LIBWEBRTC, has_libwebrtc

WARM_UP_SECONDS = 2.0


class Count:
    def __init__(self) -> None:
        self.frames = {"audio": 0, "video": 0}


def report(count: Count, cpu: float, seconds: float) -> None:
    rates = {kind: frames / seconds for kind, frames in count.frames.items()}
    print(json.dumps({"cpu": cpu / seconds, **rates}))


def run_ours(seconds: float) -> None:
    import trio

    import trio_rtc
    from trio_rtc.testing import MemoryHub

    count = Count()

    async def read(track: trio_rtc.MediaTrack) -> None:
        async for _ in track:
            count.frames[track.kind] += 1

    async def take(call: trio_rtc.Call) -> None:
        async with trio.open_nursery() as nursery:
            async for track in call.tracks:
                nursery.start_soon(read, track)

    async def main() -> None:
        hub = MemoryHub()
        alice, bob = hub.sign_in("alice"), hub.sign_in("bob")
        async with (
            trio_rtc.open_media(video="pattern", audio="tone") as ours,
            trio_rtc.open_media(video="pattern", audio="tone") as theirs,
            trio.open_nursery() as nursery,
        ):

            async def serve() -> None:
                await trio_rtc.serve_calls(take, bob, tracks=theirs)

            nursery.start_soon(serve)
            async with trio_rtc.open_call(alice, "bob", tracks=ours) as call:
                nursery.start_soon(take, call)
                await trio.sleep(WARM_UP_SECONDS)
                count.frames = {"audio": 0, "video": 0}
                cpu, began = time.process_time(), time.perf_counter()
                await trio.sleep(seconds)
                report(count, time.process_time() - cpu, time.perf_counter() - began)
            nursery.cancel_scope.cancel()

    trio.run(main)


def run_plain(seconds: float, library: str = "aiortc") -> None:
    aiortc = importlib.import_module(library)
    media = importlib.import_module(f"{library}.contrib.media")

    from trio_rtc.rtc.media.media import TEST_SIGNALS

    count = Count()

    async def read(track: Any) -> None:
        while True:
            try:
                await track.recv()
            except aiortc.MediaStreamError:
                return
            count.frames[track.kind] += 1

    async def main() -> None:
        caller, callee = aiortc.RTCPeerConnection(), aiortc.RTCPeerConnection()
        tasks = []
        for connection in (caller, callee):
            connection.on("track", lambda track: tasks.append(asyncio.ensure_future(read(track))))
            for (kind, _), signal in TEST_SIGNALS.items():
                connection.addTrack(getattr(media.MediaPlayer(signal, format="lavfi"), kind))
        await caller.setLocalDescription()
        await callee.setRemoteDescription(caller.localDescription)
        await callee.setLocalDescription()
        await caller.setRemoteDescription(callee.localDescription)
        await asyncio.sleep(WARM_UP_SECONDS)
        count.frames = {"audio": 0, "video": 0}
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        report(count, time.process_time() - cpu, time.perf_counter() - began)
        await caller.close()
        await callee.close()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def run_libwebrtc(seconds: float) -> None:
    run_plain(seconds, LIBWEBRTC)


SIDES = {"ours": run_ours, "plain aiortc": run_plain, "wrtc": run_libwebrtc}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="how often the sides take turns")
    parser.add_argument("--seconds", type=float, default=8, help="of media in each turn")
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side is not None:
        SIDES[arguments.side](arguments.seconds)
        return
    if arguments.quick:
        arguments.turns, arguments.seconds = 1, 1.0
    turns: dict[str, list[dict[str, float]]] = {
        name: [] for name in SIDES if name != "wrtc" or has_libwebrtc()
    }
    for _ in range(arguments.turns):
        for name, results in turns.items():
            done = subprocess.run(
                [sys.executable, __file__, "--side", name, "--seconds", str(arguments.seconds)],
                check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            results.append(json.loads(done.stdout))
    medians = {}
    for name, results in turns.items():
        cpu = [result["cpu"] for result in results]
        medians[name] = statistics.median(cpu)
        video = statistics.median(result["video"] for result in results)
        audio = statistics.median(result["audio"] for result in results)
        print(
            f"{name:14}{medians[name]:6.3f} CPU seconds per second "
            f"({min(cpu):.3f} to {max(cpu):.3f}), both directions together "
            f"{video:.1f} pictures and {audio:.1f} pieces of sound"
        )
    ratios = {name: medians["ours"] / cpu for name, cpu in medians.items() if name != "ours"}
    for name, ratio in ratios.items():
        print(f"{ratio:.3f} times the CPU time of {name}")
    if arguments.json is not None:
        figures = {"cpu_per_second": medians, "ratios": ratios, "turns": turns}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
