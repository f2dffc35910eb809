#!/usr/bin/env python3
"""How late sound comes from a mouth to an ear, and how soon it is silent when it is broken off.

Both ends are programs on this machine. One says chirps and tones, the other finds them in what it
gets; one of them is always libwebrtc (of the package wrtc), the other one of the sides. Told are

* the time from when a program gives the first sample of a chirp until the other gets it;
* the time from when a tone is broken off (`Voice.clear`) until the other gets the last of it, and
  how much that is above what any sound takes;
* how much later sound comes after an hour of simulated time in which the clock of the mouth is
  quicker or slower, for two ends of trio-rtc. An hour takes seven minutes of CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import HERE, Table, arguments
from voice_drift import drift

SIDES = ("ours", "plain aiortc", "libwebrtc")
WARM_UP = 3
"""Chirps and tones of the beginning that do not count, while buffers find their length."""


def call(mouth: str, ear: str, seconds: float) -> list[dict[str, list[float]]]:
    """What both ends of a call have noted."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, role) for role in ("mouth", "ear")]
        pipes = [os.pipe() for _ in files]
        ends = []
        for number, (side, file) in enumerate(zip((mouth, ear), files, strict=True)):
            command = [sys.executable, HERE / "voice_peer.py", side, file.name, file]
            ends.append(
                subprocess.Popen(
                    [*map(str, command), "--seconds", str(seconds)],
                    stdin=pipes[1 - number][0],
                    stdout=pipes[number][1],
                )
            )
        for ends_of_pipe in pipes:
            for end in ends_of_pipe:
                os.close(end)
        for process in ends:
            if process.wait(seconds + 60):
                raise subprocess.CalledProcessError(process.returncode, process.args)
        return [json.loads(file.read_text()) for file in files]


def waits(said: list[float], heard: list[float]) -> list[float]:
    """Milliseconds from each to what came of it."""
    found = []
    for at in heard:
        before = [one for one in said if one <= at]
        if before and at - before[-1] < 0.6:
            found.append(1000 * (at - before[-1]))
    return found[WARM_UP:] or found


def measure(table: Table, mouth: str, ear: str, side: str, seconds: float) -> None:
    said, heard = call(mouth, ear, seconds)
    way = "from libwebrtc" if ear == side else "to libwebrtc"
    delays = sorted(waits(said["chirps"], heard["chirps"]))
    table.add(f"mouth to ear {way}, ms", side, statistics.median(delays))
    table.add(f"mouth to ear {way}, ms (95 %)", side, delays[len(delays) * 95 // 100])
    if mouth == side:
        silences = waits(said["ends"], heard["ends"])
        silence = statistics.median(silences)
        table.add("silence after it is broken off, ms", side, silence)
        table.add("of which more than the way", side, silence - statistics.median(delays))


def main() -> None:
    parser: argparse.ArgumentParser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each call")
    parser.add_argument("--minutes", type=float, default=60, help="of simulated time")
    parser.add_argument("--ppm", type=int, default=50, help="by which a clock is quicker")
    parser.add_argument("--sides", nargs="*", default=SIDES, help="none: only what is simulated")
    options = parser.parse_args()
    if options.quick:
        options.turns, options.seconds, options.minutes = 1, 6.0, 0.25
    table = Table("voice")
    for _ in range(options.turns):
        for side in options.sides:
            measure(table, "libwebrtc", side, side, options.seconds)
            measure(table, side, "libwebrtc", side, options.seconds)
    for parts in (options.ppm, -options.ppm):
        for what, value in drift(parts * 1e-6, options.minutes).items():
            table.add(f"{what}, clock {parts:+} ppm", "ours", value)
    table.print()
    table.write(options.json)


if __name__ == "__main__":
    main()
