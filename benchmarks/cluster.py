"""What a cluster costs beside a server alone: Redis' and servers' CPU, latency, memory, resuming.

Two servers are in this process, without sockets of clients: what is measured is what the cluster
adds. Redis runs beside it, on a Unix socket.

    python benchmarks/cluster.py
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import trio

from trio_rtc.server.cluster.cluster_server import ClusterServer
from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import RedisAddress
from trio_rtc.server.context import Context
from trio_rtc.server.hub.hub import Mailbox, Member, Relayed
from trio_rtc.server.hub.portable import Portable
from trio_rtc.server.hub.presence import Presence

BODY = b"x" * 331


@dataclass
class Figures:
    """What was measured; times in microseconds, unless they say otherwise."""

    redis_alone: float = 0.0
    redis_batched: float = 0.0
    servers_alone: float = 0.0
    servers_batched: float = 0.0
    latency_p50_ms: float = 0.0
    latency_p99_ms: float = 0.0
    messages_per_second: float = 0.0
    bytes_of_idle_peer: float = 0.0
    peers: int = 0
    resumed_seconds: float = 0.0
    redis_per_resume: float = 0.0


#: So many messages are acknowledged at once, as clients do it.
ACKNOWLEDGED = 16


class Box(Mailbox):
    """A mailbox that tells when something is put in. It acknowledges as native clients do."""

    acknowledges = True

    def __init__(self, server: ClusterServer | None = None) -> None:
        self.server = server
        self.got = 0
        self.news = trio.Event()

    def put_message(self, message: Relayed) -> None:
        self.got += 1
        self.news.set()
        self.news = trio.Event()

    def put_notice(self, notice: Presence) -> None:
        self.got += 1

    def close(self, code: int | None = None) -> None:
        pass


def nothing(_: Member) -> None:
    pass


class Redis:
    """The process."""

    def __init__(self, folder: Path):
        self.socket = str(folder / "redis.sock")
        program = shutil.which("redis-server") or "valkey-server"
        command = [program, "--port", "0", "--unixsocket", self.socket, "--save", ""]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not Path(self.socket).exists():
            time.sleep(0.01)

    def cpu(self) -> float:
        """Seconds that it has used."""
        text = Path(f"/proc/{self._process.pid}/schedstat").read_text()
        return int(text.split()[0]) / 1e9

    def memory(self) -> int:
        told = subprocess.run(
            ["redis-cli", "-s", self.socket, "INFO", "memory"], capture_output=True, check=True
        ).stdout.decode()
        return int(told.split("used_memory:")[1].split()[0])

    def mails(self) -> int:
        """How many mailboxes there are with something in them."""
        command = ["redis-cli", "-s", self.socket, "--scan", "--pattern", "*:m:*"]
        return len(subprocess.run(command, capture_output=True, check=True).stdout.split())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@asynccontextmanager
async def servers(redis: Redis, count: int) -> AsyncIterator[list[ClusterServer]]:
    settings = ClusterSettings(redis=RedisAddress(unix_socket=redis.socket))
    async with trio.open_nursery() as nursery:
        made: list[ClusterServer] = []
        for _ in range(count):
            context = Context()
            nursery.start_soon(context.chores.run)
            server = ClusterServer(settings, context, context.chores.add)
            await nursery.start(server.run)
            made.append(server)
        yield made
        nursery.cancel_scope.cancel()


async def relay(
    pairs: list[tuple[ClusterServer, Member, Member, Box]], in_flight: int, messages: int
) -> list[float]:
    """Send so many messages, of which so many are on their way; the latency of each."""
    latencies: list[float] = []
    left = messages

    async def one(pair: tuple[ClusterServer, Member, Member, Box]) -> None:
        nonlocal left
        server, sender, receiver, box = pair
        while left > 0:
            left -= 1
            begun, news = time.perf_counter(), box.news
            server.hub.send(sender, Relayed(sender.id, BODY), receiver.id)
            await news.wait()
            if box.got % ACKNOWLEDGED == 0:
                assert box.server is not None
                box.server.hub.acknowledge(receiver, box.got)
            latencies.append(time.perf_counter() - begun)

    async with trio.open_nursery() as nursery:
        for pair in pairs[:in_flight]:
            nursery.start_soon(one, pair)
    return latencies


async def measure(peers: int, messages: int) -> Figures:
    figures = Figures(peers=peers)
    with tempfile.TemporaryDirectory() as folder:
        redis = Redis(Path(folder))
        try:
            async with servers(redis, 3) as (first, second, third):
                pairs = []
                for number in range(50):
                    box, room = Box(second), f"pair {number}"
                    sender = await first.hub.join("a", Box(), room, nothing, "native")
                    receiver = await second.hub.join("b", box, room, nothing, "native")
                    pairs.append((first, sender, receiver, box))
                await relay(pairs, 50, 500)
                for in_flight, name in ((1, "alone"), (50, "batched")):
                    cpu, own, begun = redis.cpu(), time.process_time(), time.perf_counter()
                    latencies = await relay(pairs, in_flight, messages)
                    setattr(figures, f"redis_{name}", (redis.cpu() - cpu) / messages * 1e6)
                    used = (time.process_time() - own) / messages * 1e6
                    setattr(figures, f"servers_{name}", used)
                    if in_flight == 1:
                        ordered = sorted(latencies)
                        figures.latency_p50_ms = statistics.median(ordered) * 1e3
                        figures.latency_p99_ms = ordered[len(ordered) * 99 // 100] * 1e3
                    else:
                        figures.messages_per_second = messages / (time.perf_counter() - begun)
                await _idle(redis, first, third, figures)
        finally:
            redis.end()
    return figures


async def _idle(redis: Redis, first: ClusterServer, third: ClusterServer, figures: Figures) -> None:
    """Have many join who say nothing, and go on with them on another server."""
    peers, before, mails = figures.peers, redis.memory(), redis.mails()
    limiter = trio.CapacityLimiter(128)
    joined: list[tuple[Member, Box]] = []

    async def join(number: int) -> None:
        async with limiter:
            key = number.to_bytes(16, "big")
            portable = Portable(key, b"s" * 70, 60)
            name, room = f"peer {number}", f"room {number // 2}"
            box = Box()
            joined.append((await first.hub.join(name, box, room, nothing, "native", portable), box))

    async def resume(number: int) -> None:
        async with limiter:
            found = await third.hub.find("native", number.to_bytes(16, "big"))
            assert found is not None
            assert await third.hub.take(found, found.state, Box(), nothing) is not None

    for what in (join, resume):
        cpu, begun = redis.cpu(), time.perf_counter()
        # The second of each pair comes when the first is there to be told.
        for part in (0, 1):
            async with trio.open_nursery() as nursery:
                for number in range(part, peers, 2):
                    nursery.start_soon(partial(what, number))
        if what is join:
            # Who is idle has fetched what there was.
            for member, box in joined:
                first.hub.acknowledge(member, box.got)
            while redis.mails() > mails:  # noqa: ASYNC110  # It tells nobody.
                await trio.sleep(0.05)
            figures.bytes_of_idle_peer = (redis.memory() - before) / peers
    figures.resumed_seconds = time.perf_counter() - begun
    figures.redis_per_resume = (redis.cpu() - cpu) / peers * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="where the figures go, too")
    options = parser.parse_args()
    figures = trio.run(measure, options.peers, options.messages)
    for name, value in asdict(figures).items():
        print(f"{name:22} {value:10.2f}")
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
