"""A cluster whose servers and Redis are stopped and killed, while everybody sends.

Three servers stand behind haproxy, which sends each connection to any of them. Every few seconds a
server is killed and started again, or stopped for longer than its lease, and Redis, which has its
own turns meanwhile, is killed and started again, or stopped. At the end all that was sent has come
once, and in its order, or its sender has been told that it has not.

    python benchmarks/cluster_chaos.py --seconds 60

Printed are the messages sent, delivered, told as failed, lost without a word, doubled and out of
order, and the sessions that have ended; the exit status is 1 if one of the last four is not 0.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from chaos import Figures, check
from chaos_clients import Client

from trio_rtc.signaling import native_connection

PROXY = """
defaults
    mode http
    timeout connect 500ms
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    retries 3
    option redispatch
frontend all
    bind 127.0.0.1:{port}
    default_backend servers
backend servers
    balance random
    option httpchk GET /healthz
    timeout check 500ms
    default-server check inter 200ms fall 2 rise 1
{servers}
"""

#: One of the first and one of the others at a time.
FAULTS = (("kill a server", "stop a server"), ("kill Redis", "stop Redis"))


class Part:
    """A process that is part of the cluster, and may be away for a while."""

    def __init__(self, folder: Path, name: str, command: list[str], listens: Callable[[], bool]):
        self.name = name
        self._log = (folder / f"{name}.log").open("ab")
        self._command = command
        self._listens = listens
        self._process: subprocess.Popen[bytes] | None = None

    def _begin(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)

    async def start(self) -> None:
        self._begin()
        with trio.fail_after(60):
            while not self._listens():  # noqa: ASYNC110
                await trio.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()

    async def be_killed(self, seconds: float) -> None:
        self.send(signal.SIGKILL)
        await trio.sleep(seconds)
        await self.start()

    async def be_stopped(self, seconds: float) -> None:
        self.send(signal.SIGSTOP)
        await trio.sleep(seconds)
        self.send(signal.SIGCONT)

    def end(self) -> None:
        if self._process is not None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGKILL)
        self._log.close()


class Cluster:
    """Redis, some servers, and the proxy before them.

    Attributes:
        port: that of the proxy.
    """

    def __init__(self, folder: Path, ports: list[int]):
        self.port, *own = ports
        unix_socket = folder / "redis.sock"
        redis = [shutil.which("redis-server") or "valkey-server", "--port", "0"]
        redis += ["--unixsocket", str(unix_socket), "--dir", str(folder)]
        # With everysec it answers before it writes while an fsync of a slow disk is under way.
        redis += ["--appendonly", "yes", "--appendfsync", "no", "--save", ""]
        self.redis = Part(folder, "redis", redis, unix_socket.exists)
        self.servers = [
            Part(folder, f"server{port}", _server(port, unix_socket), _listening(port))
            for port in own
        ]
        file = folder / "haproxy.cfg"
        lines = (f"    server s{port} 127.0.0.1:{port}" for port in own)
        file.write_text(PROXY.format(port=self.port, servers="\n".join(lines)))
        self._proxy = Part(folder, "haproxy", ["haproxy", "-f", str(file)], _listening(self.port))

    async def start(self) -> None:
        await self.redis.start()
        for part in (*self.servers, self._proxy):
            await part.start()

    async def fault(self, which: str, chosen: random.Random) -> None:
        server = chosen.choice(self.servers)
        if which == "kill a server":
            await server.be_killed(1)
        elif which == "stop a server":
            # Its lease is good for 5 s.
            await server.be_stopped(7)
        elif which == "kill Redis":
            await self.redis.be_killed(1)
        else:
            await self.redis.be_stopped(4)

    def end(self) -> None:
        for part in (self._proxy, *self.servers, self.redis):
            part.end()


def _server(port: int, unix_socket: Path) -> list[str]:
    command = [sys.executable, "-m", "trio_rtc", "server", "--host", "127.0.0.1"]
    return [*command, "--port", str(port), "--cluster", f"unix://{unix_socket}"]


def _listening(port: int) -> Callable[[], bool]:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return listens


@asynccontextmanager
async def running(servers: int) -> AsyncIterator[Cluster]:
    """A cluster for a block."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder), _free_ports(servers + 1))
        try:
            await cluster.start()
            yield cluster
        finally:
            cluster.end()


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


async def chaos(
    seconds: float,
    clients: int,
    rate: float,
    seed: int,
    faults: tuple[tuple[str, ...], ...] = FAULTS,
) -> Figures:
    """Send for so long, while one fault follows the other; compare what has come with it."""
    chosen = random.Random(seed)
    random.seed(seed)
    # Half-open connections are noticed within four seconds instead of ten.
    native_connection.PING_SECONDS = native_connection.PONG_SECONDS = 2.0
    async with running(3) as cluster, trio.open_nursery() as nursery:
        url = f"ws://127.0.0.1:{cluster.port}"
        names = [f"client {number}" for number in range(clients)]
        # One room in which all are, and some who only take: pairs would hide what is lost.
        all_of_them = [Client(url, name, "room", "quick", 10**9, rate) for name in names]
        for client in all_of_them:
            others = [name for name in names if name != client.name]
            nursery.start_soon(client.run, others)
        for client in all_of_them:
            await client.ready.wait()
        until = trio.current_time() + seconds
        async with trio.open_nursery() as turns:
            for kinds in faults:
                turns.start_soon(_take_turns, cluster, kinds, chosen, until)
        for client in all_of_them:
            client.stopping = True
            client.ending.set()
        with trio.move_on_after(60):
            while _known(all_of_them) < _sent(all_of_them):  # noqa: ASYNC110
                await trio.sleep(0.1)
        # What comes twice comes by now.
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return check({client.name: client.account.as_json() for client in all_of_them})


async def _take_turns(
    cluster: Cluster, faults: tuple[str, ...], chosen: random.Random, until: float
) -> None:
    """Have one fault after the other, each at least once."""
    for number in itertools.count():
        if number >= len(faults) and trio.current_time() >= until:
            return
        await trio.sleep(1)
        which = faults[number % len(faults)]
        print(f"{which} ...", file=sys.stderr)
        await cluster.fault(which, chosen)


def _sent(clients: list[Client]) -> int:
    return sum(client.account.sent.total() for client in clients)


def _known(clients: list[Client]) -> int:
    return sum(client.account.received + client.account.told for client in clients)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--rate", type=float, default=20, help="how many each sends in a second")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = trio.run(chaos, options.seconds, options.clients, options.rate, options.seed)
    print(figures)
    return 0 if figures.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
