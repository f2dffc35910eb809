#!/usr/bin/env python3
"""How the media of a call arrive, over a path that delays and loses packets.

One end sends 640x480 pixels 30 times a second, each telling its number, and a sound with a mark
every half a second; the other notes when its program gets them. Each end is a process, in a network
of its own, with a wire between them (`wire.py`). Told are, of one call each:

* how long pictures and sound take from the track to the program, the way included, which is half of
  the round trip; of sound also at the end of the call;
* how long pictures take from the arrival of the last of their packets, where none is lost;
* the longest time without a picture, how often it was over 0.3 s, and pictures in a second;
* the longest hole in the sound, by its times, and the longest time without any;
* how far the times of a mark in the sound are from those of the picture that was sent with it,
  where sound begins a second later than pictures.

libwebrtc is that of the package wrtc, if it is installed, with the same program as aiortc.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from measuring import HERE, Table, arguments

SIDES = ["ours", "plain aiortc"]
if importlib.util.find_spec("webrtc"):
    SIDES.append("libwebrtc")

#: What the times of frames would tell, which are those of playing out with libwebrtc.
BY_TIMES = ("sound: longest hole, ms", "out of sync, ms")

FPS = 30
PIECE = 0.02
WARM_UP_SECONDS = 3.0
LATE_SECONDS = 1.0
STANDSTILL_SECONDS = 0.3

#: By name: the milliseconds of one way, those of jitter, and the percentage that is lost each way.
PATHS = {
    "no delay": (0, 0, 0),
    "RTT 50": (25, 0, 0),
    "RTT 50, 1 % lost": (25, 0, 1),
    "RTT 50, 3 % lost": (25, 0, 3),
    "RTT 50, 5 % lost": (25, 0, 5),
    "RTT 50, jitter 20": (25, 20, 0),
}


def call(
    side: str, path: tuple[float, float, float], seconds: float, seed: int
) -> dict[str, float]:
    """Figures of one call."""
    milliseconds, jitter, loss = path
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, role) for role in ("send", "receive")]
        ends: list[object] = []
        for file in files:
            ends += ["--", sys.executable, HERE / "media_quality_peer.py", side, file.name, file]
            ends += ["--seconds", seconds, "--late", LATE_SECONDS]
        wire: list[object] = [sys.executable, HERE / "wire.py", "--milliseconds", milliseconds]
        wire += ["--jitter", jitter, "--loss", loss, "--seed", seed, *ends]
        subprocess.run([str(part) for part in wire], check=True, timeout=seconds + 60)
        sent, received = (json.loads(file.read_text()) for file in files)
    found = figures(sent, received)
    if not loss and (waits := waits_behind_packets(received)):
        found["pictures: behind their packets, ms"] = 1000 * statistics.median(waits)
        found["pictures: behind, ms (95 %)"] = 1000 * sorted(waits)[len(waits) * 95 // 100]
    return found


def waits_behind_packets(received: dict[str, Any]) -> list[float]:
    """Seconds from the last packet of each picture to the picture; none if that is not known."""
    number, began, _ = received["pictures"][0]
    for source in received["packets"]:
        # A picture's timestamp tells its number, from that of the first one.
        ticks = [(timestamp - source[0][0]) % (1 << 32) for timestamp, _ in source]
        last = {
            number + round(tick * FPS / 90_000): then
            for tick, (_, then) in zip(ticks, source, strict=True)
        }
        waits = [
            now - last[n]
            for n, now, _ in received["pictures"]
            if now > began + WARM_UP_SECONDS and n in last
        ]
        if len(waits) > 0.9 * sum(p[1] > began + WARM_UP_SECONDS for p in received["pictures"]):
            return waits
    return []


def figures(sent: dict[str, Any], received: dict[str, Any]) -> dict[str, float]:
    begin = received["pictures"][0][1] + WARM_UP_SECONDS
    pictures = [picture for picture in received["pictures"] if picture[1] > begin]
    pieces = [piece for piece in received["pieces"] if piece[0] > begin]
    made = {number: now for number, now, _ in sent["pictures"]}
    delays = [now - made[number] for number, now, _ in pictures if number in made]
    steps = [b[1] - a[1] for a, b in pairwise(pictures)]
    marks = mark_delays(sent["marks"], received["marks"], begin)
    third = max(len(marks) // 3, 1)
    span = pictures[-1][1] - pictures[0][1]
    return {
        "pictures: delay, ms": 1000 * statistics.median(delays),
        "pictures: late, ms (95 %)": 1000 * sorted(delays)[len(delays) * 95 // 100],
        "pictures: in a second": (len(pictures) - 1) / span,
        "pictures: longest standstill, s": max(steps),
        "pictures: standstills over 0.3 s": sum(step > STANDSTILL_SECONDS for step in steps),
        "sound: delay, ms": 1000 * statistics.median(marks),
        "sound: delay at the end, ms": 1000 * statistics.median(marks[-third:]),
        "sound: longest hole, ms": 1000 * max(b[1] - a[1] - PIECE for a, b in pairwise(pieces)),
        "sound: longest silence, ms": 1000 * max(b[0] - a[0] for a, b in pairwise(pieces)),
        "out of sync, ms": 1000 * out_of_sync(sent, received, begin),
    }


def mark_delays(sent: list[list[float]], received: list[list[float]], begin: float) -> list[float]:
    """How long each mark took that was heard."""
    found = []
    for now, _ in sent:
        heard = [then for then, _ in received if now <= then < now + 0.45]
        if heard and heard[0] > begin:
            found.append(heard[0] - now)
    return found


def out_of_sync(sent: dict[str, Any], received: dict[str, Any], begin: float) -> float:
    """By how much the times of sound and pictures differ from what was sent together."""
    made = {number: now for number, now, _ in sent["pictures"]}
    # What a picture's time says of when it was made, and a mark's.
    seen = [time - made[n] for n, now, time in received["pictures"] if n in made and now > begin]
    heard = []
    for now, _ in sent["marks"]:
        times = [time for then, time in received["marks"] if now <= then < now + 0.45]
        if times and now > begin:
            heard.append(times[0] - now)
    return float(abs(statistics.median(heard) - statistics.median(seen)))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=25, help="how long each call is")
    parser.add_argument("--sides", nargs="+", default=SIDES, choices=SIDES)
    parser.add_argument("--paths", nargs="+", default=list(PATHS), choices=PATHS)
    options = parser.parse_args()
    if options.quick:
        options.turns, options.seconds, options.paths = 1, 7, ["RTT 50, 1 % lost"]
    table = Table("media of a call, as they arrive")
    for turn in range(options.turns):
        for path in options.paths:
            for side in options.sides:
                for what, value in call(side, PATHS[path], options.seconds, turn).items():
                    if side != "libwebrtc" or what not in BY_TIMES:
                        table.add(f"{path}: {what}", side, value)
    table.print()
    table.write(options.json)


if __name__ == "__main__":
    main()
