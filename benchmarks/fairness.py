#!/usr/bin/env python3
"""A data channel of ours that shares a link with one TCP connection, with CUBIC or BBR.

Both send as fast as they are let, over the same wire (`wire.py`), whose queue has room for one
bandwidth-delay product. Of each is counted what comes from the second second to the last.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any

from measuring import HERE, Table, arguments, run_json
from paths import START

OTHER = ("10.9.0.2", 9)
AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")


def start_ours(what: str, *options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, HERE / "paths.py", what, "ours", *options]
    return subprocess.Popen([str(part) for part in command])


def send(control: str, seconds: float) -> None:
    ours = start_ours("--send", seconds)
    end = time.monotonic() + 2 * seconds + 10
    with suppress(OSError):
        while True:
            sock = socket.socket()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
            sock.settimeout(1)
            try:
                sock.connect(OTHER)
                break
            except OSError:
                sock.close()
                if time.monotonic() > end:
                    raise
        with sock:
            while time.monotonic() < end and ours.poll() is None:
                sock.send(bytes(65_536))
    ours.wait()


def take(seconds: float, file: str) -> None:
    ours = start_ours("--take", seconds, file)
    arrivals: list[tuple[float, int]] = []

    def count() -> None:
        with socket.create_server(OTHER) as server, server.accept()[0] as sock:
            while data := sock.recv(65_536):
                arrivals.append((time.time(), len(data)))

    Thread(target=count, daemon=True).start()
    ours.wait()
    # It is written when the last of ours has come.
    end = Path(file).stat().st_mtime
    steady = [size for at, size in arrivals if end - (seconds - START) <= at < end]
    figures = json.loads(Path(file).read_text())
    figures["TCP"] = sum(steady) / (seconds - START) / 1e6
    Path(file).write_text(json.dumps(figures))


def turn(control: str, trip: float, rate: float, seconds: float, seed: int) -> tuple[float, float]:
    """MB/s of ours and of TCP; 0 if they did not get through."""
    me = [sys.executable, Path(__file__)]
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        path = ["--milliseconds", trip / 2, "--rate", rate, "--seed", seed]
        programs = ["--", *me, "--send", control, seconds, "--", *me, "--take", seconds, file.name]
        wire: list[Any] = [sys.executable, HERE / "wire.py", *path, *programs]
        try:
            run_json(["sh", "-c", '"$@" >&2; cat "$0"', file.name, *wire], timeout=20 + 3 * seconds)
            figures = json.load(file)
            return figures["MB/s"], figures["TCP"]
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError, ValueError) as error:
            print(f"{control} did not get through: {error}", file=sys.stderr)
            return 0.0, 0.0


def main() -> None:
    if sys.argv[1:2] == ["--send"]:
        send(sys.argv[2], float(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--take"]:
        take(float(sys.argv[2]), sys.argv[3])
        return
    parser = arguments(__doc__)
    known = AVAILABLE.read_text().split()
    controls = [control for control in ("cubic", "bbr") if control in known]
    parser.add_argument("--controls", nargs="+", choices=known, default=controls, help="of TCP")
    parser.add_argument("--trips", type=float, nargs="+", default=[20, 50, 100], help="ms")
    parser.add_argument("--rates", type=float, nargs="+", default=[20], help="Mbit/s")
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    if options.quick:
        options.trips, options.rates, options.seconds = [20], [10], 4
    table = Table("fairness", reference="TCP")
    for number in range(1 if options.quick else options.turns):
        for rate, trip, control in product(options.rates, options.trips, options.controls):
            ours, tcp = turn(control, trip, rate, options.seconds, number + 1)
            what = f"{rate:g} Mbit/s, {trip:g} ms, {control}: MB/s"
            table.add(what, "ours", ours)
            table.add(what, "TCP", tcp)
            table.write(options.json)
    table.print()
    table.write(options.json)


if __name__ == "__main__":
    main()
