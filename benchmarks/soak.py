#!/usr/bin/env python3
"""A server under many peers of both protocols, which call each other and lose their connections.

Half of the peers are native and half classic, eight to a room. They exchange messages as calls
do (an offer, an answer, candidates, a hang-up). Every now and then each native one loses its
connection, by a reset or in order, and resumes its session over another; each classic one hangs up
while it waits, and asks again. Every message is numbered between its two peers: printed are how
many were sent, delivered, doubled and lost, and the memory and processor time of the server, which
is a process of its own. The exit status is 1 if a single message was lost or doubled. ``--json
FILE`` writes the figures.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import trio
from soak_peers import ClassicPeer, NativePeer

from trio_rtc.server import ServerLimits, serve_signaling
from trio_rtc.server.authorize import Admission, JoinRequest

ROOM_SIZE = 8
CANDIDATES = 5

Peer = NativePeer | ClassicPeer


@dataclass
class Figures:
    """What has happened.

    Attributes:
        delivered: came once and in order.
        lost: never came, or came behind a later one.
        server_mib: its resident memory, at several times.
    """

    peers: int
    seconds: float
    sent: int = 0
    delivered: int = 0
    doubled: int = 0
    lost: int = 0
    calls: int = 0
    cuts: int = 0
    messages_per_second: float = 0
    server_cpu_seconds: float = 0
    server_mib: dict[str, float] = field(default_factory=dict)


class Ledger:
    """What each peer has sent to each other, and what of that has come."""

    def __init__(self) -> None:
        self.sent: Counter[tuple[int, int]] = Counter()
        self.came: Counter[tuple[int, int]] = Counter()
        self.delivered = self.doubled = 0

    def number(self, sender: int, to: int) -> int:
        self.sent[sender, to] += 1
        return self.sent[sender, to]

    def take(self, sender: int, to: int, number: int) -> None:
        expected = self.came[sender, to] + 1
        if number < expected:
            self.doubled += 1
        else:
            # What has been left out before it is lost, even if it still comes.
            self.delivered += 1
            self.came[sender, to] = number

    @property
    def missing(self) -> int:
        return self.sent.total() - self.came.total()


class Soak:
    """The peers and what they do."""

    def __init__(self, port: int, count: int, nursery: trio.Nursery):
        self.ledger = Ledger()
        self.calls = 0
        self._nursery = nursery
        self._rooms: list[list[Peer]] = [[] for _ in range(math.ceil(count / ROOM_SIZE))]
        self.peers: list[Peer] = []
        for number in range(count):
            room = number // ROOM_SIZE
            # The server puts a peer into the room that its name ends in.
            name = f"peer-{number}-{room}"
            kind = NativePeer if number % 2 else ClassicPeer
            peer = kind(port, name, partial(self._hear, number))
            self.peers.append(peer)
            self._rooms[room].append(peer)

    async def join(self) -> None:
        for peer in self.peers:
            self._nursery.start_soon(peer.run)
            if len(self.peers) > 200:
                await trio.sleep(0.003)
        for peer in self.peers:
            await peer.joined.wait()

    def call(self) -> None:
        """Somebody calls somebody in the same room."""
        self.calls += 1
        caller, callee = random.sample(random.choice(self._rooms), 2)
        self._nursery.start_soon(self._say, caller, callee.id, "offer", 2500)
        for _ in range(CANDIDATES):
            self._nursery.start_soon(self._say, caller, callee.id, "candidate", 150)

    def _hear(self, number: int, sender: int, text: str) -> None:
        peer = self.peers[number]
        kind, count, *_ = text.split(" ")
        self.ledger.take(sender, peer.id, int(count))
        if kind == "offer":
            self._nursery.start_soon(self._say, peer, sender, "answer", 2000)
            for _ in range(CANDIDATES):
                self._nursery.start_soon(self._say, peer, sender, "candidate", 150)
        elif kind == "answer":
            self._nursery.start_soon(self._say, peer, sender, "bye", 10)

    async def _say(self, peer: Peer, to: int, kind: str, size: int) -> None:
        async with peer.in_order:
            number = self.ledger.number(peer.id, to)
            await peer.send(to, f"{kind} {number} {'x' * size}")

    async def keep_up(self) -> None:
        while True:
            await trio.sleep(1)
            for peer in self.peers:
                await peer.keep_up()

    async def run(self, seconds: float, calls_per_second: float, cut_seconds: float) -> None:
        pause = 0.05
        end = trio.current_time() + seconds
        calls = cuts = 0.0
        while trio.current_time() < end:
            await trio.sleep(pause)
            calls += calls_per_second * pause
            cuts += len(self.peers) / cut_seconds * pause
            while calls >= 1:
                self.call()
                calls -= 1
            while cuts >= 1:
                random.choice(self.peers).cut()
                cuts -= 1

    async def drain(self) -> None:
        """Wait for what is under way, for as long as something still arrives."""
        before = -1
        while self.ledger.missing and self.ledger.came.total() > before:
            before = self.ledger.came.total()
            with trio.move_on_after(20):
                while self.ledger.missing:  # noqa: ASYNC110
                    await trio.sleep(0.1)

    async def leave(self) -> None:
        for peer in self.peers:
            async with peer.in_order:
                await peer.leave()


class ServerProcess:
    """The server, and what the kernel knows about it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def mib(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return round(int(line.split()[1]) / 1024, 1)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


async def serve() -> None:
    async def by_name(request: JoinRequest) -> Admission:
        return Admission(name=request.name, room=request.name.rpartition("-")[2])

    limits = ServerLimits(
        peers=10**6,
        peers_per_address=10**6,
        joins_burst=10**6,
        requests_per_second=10**6,
        requests_burst=10**6,
        # Where the load is more than the machine can do, its peers come late.
        absent_seconds=300,
        resume_seconds=300,
        connections_per_address=10**6,
    )
    async with trio.open_nursery() as nursery:

        async def run(
            task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
        ) -> None:
            await serve_signaling(
                0, host="127.0.0.1", limits=limits, authorize=by_name, task_status=task_status
            )

        listeners = await nursery.start(run)
        print(listeners[0].socket.getsockname()[1], flush=True)


async def measure(options: argparse.Namespace, server: ServerProcess) -> Figures:
    figures = Figures(peers=options.peers, seconds=options.seconds)
    figures.server_mib["start"] = server.mib()
    async with trio.open_nursery() as nursery:
        soak = Soak(server.port, options.peers, nursery)
        nursery.start_soon(soak.keep_up)
        await soak.join()
        figures.server_mib["joined"] = server.mib()
        cpu, started = server.cpu_seconds(), time.monotonic()
        await soak.run(options.seconds, options.calls or options.peers / 40, options.cut_seconds)
        await soak.drain()
        figures.server_cpu_seconds = round(server.cpu_seconds() - cpu, 1)
        took = time.monotonic() - started
        figures.server_mib["end"] = server.mib()
        ledger = soak.ledger
        figures.sent = ledger.sent.total()
        figures.delivered = ledger.delivered
        figures.lost = figures.sent - figures.delivered
        figures.doubled = ledger.doubled
        figures.calls = soak.calls
        figures.cuts = sum(peer.cuts for peer in soak.peers)
        figures.messages_per_second = round(figures.delivered / took, 1)
        # Who has just lost its connection comes back before it leaves.
        await trio.sleep(3)
        await soak.leave()
        await trio.sleep(3)
        figures.server_mib["left"] = server.mib()
        nursery.cancel_scope.cancel()
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--calls", type=float, help="per second; by default one per 40 peers")
    parser.add_argument("--cut-seconds", type=float, default=60, help="mean time between two cuts")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.serve:
        trio.run(serve)
    server = ServerProcess()
    try:
        figures = trio.run(measure, options, server)
    finally:
        server.stop()
    text = json.dumps(asdict(figures), indent=2)
    print(text)
    if options.json is not None:
        options.json.write_text(text)
    return 1 if figures.lost or figures.doubled else 0


if __name__ == "__main__":
    sys.exit(main())
