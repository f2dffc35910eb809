#!/usr/bin/env python3
"""How the video of a call fits a path with a rate and a small queue.

One end sends 640x480 pixels 30 times a second, with a grain that takes any bitrate, and sound; the
other notes when its program gets them. Each end is a process, in a network of its own, with a wire
between them (`wire.py`) that carries so much, and before which so much may wait. Told are, of one
call each, from the tenth second on:

* the share of the rate that pictures and sound took on the wire, by what arrived;
* pictures in a second, the longest time without one, and how often it was over 0.3 s;
* how long a picture takes from the track to the program.

libwebrtc is that of the package wrtc, if it is installed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from measuring import HERE, Table, arguments
from media_quality import SIDES, STANDSTILL_SECONDS

WARM_UP_SECONDS = 10.0
QUICK_WARM_UP_SECONDS = 0.0


def call(side: str, options: argparse.Namespace, seed: int) -> dict[str, float]:
    """Figures of one call."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, role) for role in ("send", "receive")]
        carried = Path(folder, "carried")
        ends: list[object] = []
        for file in files:
            ends += ["--", sys.executable, HERE / "media_quality_peer.py", side, file.name, file]
            ends += ["--seconds", options.seconds, "--rough"]
        wire: list[object] = [sys.executable, HERE / "wire.py", "--milliseconds", options.delay]
        wire += ["--rate", options.rate, "--queue", options.queue, "--seed", seed]
        wire += ["--carried", carried, *ends]
        subprocess.run([str(part) for part in wire], check=True, timeout=options.seconds + 60)
        sent, received = (json.loads(file.read_text()) for file in files)
        packets = json.loads(carried.read_text())
    warm_up = QUICK_WARM_UP_SECONDS if options.quick else WARM_UP_SECONDS
    begin = received["pictures"][0][1] + warm_up
    pictures = [picture for picture in received["pictures"] if picture[1] > begin]
    end = pictures[-1][1]
    bits = sum(8 * size for at, size in packets if begin <= at < end)
    made = {number: now for number, now, _ in sent["pictures"]}
    steps = [b[1] - a[1] for a, b in pairwise(pictures)]
    delays = sorted(now - made[number] for number, now, _ in pictures if number in made)
    return {
        "of the rate, %": 100 * bits / (options.rate * 1e6 * (end - begin)),
        "pictures in a second": (len(pictures) - 1) / (end - begin),
        "longest standstill, s": max(steps),
        "standstills over 0.3 s": sum(step > STANDSTILL_SECONDS for step in steps),
        "delay, ms": 1000 * statistics.median(delays),
        "delay, ms (95 %)": 1000 * delays[len(delays) * 95 // 100],
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rate", type=float, default=1.0, help="Mbit/s")
    parser.add_argument("--queue", type=float, default=22.5, help="kB")
    parser.add_argument("--delay", type=float, default=25, help="milliseconds, one way")
    parser.add_argument("--seconds", type=float, default=40, help="of each call")
    parser.add_argument("--sides", nargs="+", default=SIDES, choices=SIDES)
    options = parser.parse_args()
    if options.quick:
        options.turns, options.seconds = 1, 6.0
    table = Table(f"video over {options.rate:g} Mbit/s with a queue of {options.queue:g} kB")
    for turn in range(options.turns):
        for side in options.sides:
            for what, value in call(side, options, turn).items():
                table.add(what, side, value)
    table.print()
    table.write(options.json)


if __name__ == "__main__":
    main()
