#!/usr/bin/env python3
"""Run two programs on two hosts with one wire between them, which delays and loses packets.

Each is in a network of its own (10.9.0.1 and 10.9.0.2), and what one writes to its standard output
is the other's standard input. It takes Linux, ``unshare`` and ``ip``, and no privileges:

    wire.py --milliseconds 25 --loss 1 -- python one.py -- python other.py
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import heapq
import itertools
import json
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

NEW_NETWORK = 0x4000_0000  # CLONE_NEWNET
TUN_SETUP = 0x4004_54CA  # TUNSETIFF
TUN_PLAIN = 0x1001  # IFF_TUN | IFF_NO_PI
PACKET = 65_536
SMALLEST = 15 * 1500
INSIDE = "TRIO_RTC_BENCHMARK_WIRE"


class Wire:
    """Packets on their way from each end to the other, in their order."""

    def __init__(
        self,
        ends: tuple[int, int],
        milliseconds: float,
        jitter: float,
        loss: float,
        seed: int,
        rate: float | None = None,
        queue: float | None = None,
    ):
        self._ends = ends
        self._rate = None if rate is None else rate * 1e6 / 8
        self._free = dict.fromkeys(ends, 0.0)
        # As much as the wire itself holds, there and back.
        held = 0.0 if self._rate is None else max(self._rate * milliseconds / 500, SMALLEST)
        self._queue = held if queue is None else 1000 * queue
        self._delay = milliseconds / 1000
        self._jitter = jitter / 1000
        self._loss = loss / 100
        self._chance = random.Random(seed)
        self._held: list[tuple[float, int, int, bytes]] = []
        self._count = itertools.count()
        self._last = dict.fromkeys(ends, 0.0)
        #: What has reached the second end, and when.
        self.carried: list[tuple[float, int]] = []

    def run(self, until: list[subprocess.Popen[bytes]]) -> None:
        """Carry packets as long as the programs run."""
        poll = select.epoll()
        for end in self._ends:
            poll.register(end, select.EPOLLIN)
        while any(process.poll() is None for process in until):
            wait = 0.1
            if self._held:
                wait = min(max(self._held[0][0] - time.monotonic(), 0), wait)
            for end, _ in poll.poll(wait):
                self._take(end)
            while self._held and self._held[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(self._held)
                os.write(end, packet)
                if end == self._ends[1]:
                    self.carried.append((time.monotonic(), len(packet)))

    def _take(self, end: int) -> None:
        packet = os.read(end, PACKET)
        if self._chance.random() < self._loss:
            return
        first, second = self._ends
        to = second if end == first else first
        now = time.monotonic()
        if self._rate is not None:
            free = max(self._free[to], now)
            if (free - now) * self._rate + len(packet) > self._queue:
                return
            self._free[to] = now = free + len(packet) / self._rate
        due = now + self._delay + self._chance.uniform(0, self._jitter)
        self._last[to] = due = max(due, self._last[to])
        heapq.heappush(self._held, (due, next(self._count), to, packet))


def start_host(
    number: int, command: list[str], stdin: int, stdout: int
) -> tuple[subprocess.Popen[bytes], int]:
    """A program in a network of its own, and the wire's end of its device."""
    here, there = socket.socketpair()

    def enter() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "unshare")
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, TUN_SETUP, struct.pack("16sH", b"wire0", TUN_PLAIN))
        socket.send_fds(there, [b"device"], [device])
        for line in (
            "link set lo up",
            f"address add 10.9.0.{number}/24 dev wire0",
            "link set wire0 up mtu 1500",
        ):
            subprocess.run(["ip", *line.split()], check=True)

    process = subprocess.Popen(
        command, stdin=stdin, stdout=stdout, preexec_fn=enter, pass_fds=[there.fileno()]
    )
    _, [device], _, _ = socket.recv_fds(here, 16, 1)
    here.close()
    there.close()
    return process, device


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--milliseconds", type=float, default=0, help="from one end to the other")
    parser.add_argument("--jitter", type=float, default=0, help="milliseconds more, at random")
    parser.add_argument("--loss", type=float, default=0, help="percent, each way")
    parser.add_argument("--rate", type=float, help="Mbit/s, each way, with a queue before it")
    parser.add_argument("--queue", type=float, help="kB that wait before it at most")
    parser.add_argument("--carried", type=Path, help="a file for what reached the second end")
    parser.add_argument("--seed", type=int, default=1, help="of what is random")
    parser.add_argument("commands", nargs=argparse.REMAINDER, help="-- one -- other")
    options = parser.parse_args()
    if INSIDE not in os.environ:
        unshare = shutil.which("unshare")
        if unshare is None:
            parser.error("it takes unshare (Debian: apt-get install util-linux)")
        os.environ[INSIDE] = "1"
        os.execv(unshare, [unshare, "--map-root-user", "--net", sys.executable, *sys.argv])
    groups = [
        list(group)
        for is_mark, group in itertools.groupby(options.commands, "--".__eq__)
        if not is_mark
    ]
    if len(groups) != 2:
        parser.error("there are two commands")
    first_in, second_out = os.pipe()
    second_in, first_out = os.pipe()
    first, first_end = start_host(1, groups[0], first_in, first_out)
    second, second_end = start_host(2, groups[1], second_in, second_out)
    for pipe in (first_in, first_out, second_in, second_out):
        os.close(pipe)
    wire = Wire(
        (first_end, second_end),
        options.milliseconds,
        options.jitter,
        options.loss,
        options.seed,
        options.rate,
        options.queue,
    )
    wire.run([first, second])
    if options.carried is not None:
        options.carried.write_text(json.dumps(wire.carried))
    return first.returncode or second.returncode


if __name__ == "__main__":
    sys.exit(main())
