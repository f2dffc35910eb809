#!/usr/bin/env python3
"""Messages over everything that can happen to a connection: is each of them accounted for?

Clients in several processes send numbered messages to each other through a network that cuts
connections, freezes them, and breaks them for one side only. Meanwhile processes are stopped and
continued, clients and server, and some clients take what comes slowly, with long pauses, or not at
all before the end. The server has small mailboxes, and a rate that is kept to. At the end each
sender tells what it has sent and what of that it knows to have failed, each receiver what has come.

Printed are how many messages were sent, delivered, told (to the sender, as failed), lost without a
word, doubled, out of order, and told wrongly. The exit status is 1 if there is any of the last
four.
``--json FILE`` writes the figures.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio
from chaos_network import Network

from trio_rtc.server import ServerLimits, serve_signaling

CLIENTS = Path(__file__).with_name("chaos_clients.py")
ROOM_SIZE = 6
PACES = ["quick", "slow", "quick", "moody", "quick", "late"]
QUIET_SECONDS = 30.0
"""For how long nothing may come until the account is taken as it is."""


@dataclass
class Figures:
    """What has happened.

    Attributes:
        told: messages of which the sender knows that they have failed.
        dropped: events of which a receiver was told that they are missing.
        told_wrongly: what was told to have failed, and has come.
        ended: sessions that ended before the end, and why.
    """

    sent: int = 0
    delivered: int = 0
    told: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    told_wrongly: int = 0
    dropped: int = 0
    ended: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    seconds: float = 0

    @property
    def is_well(self) -> bool:
        wrong = (self.lost, self.doubled, self.out_of_order, self.told_wrongly, self.ended)
        return not any(wrong) and self.sent == self.delivered + self.told


class Worker:
    """A process with clients in it."""

    def __init__(self, process: trio.Process):
        self.process = process
        self.progress: dict[str, Any] = {}
        self.account: dict[str, Any] = {}

    async def read(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        async for data in self.process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                said = json.loads(line)
                if "done" in said:
                    self.progress = said
                else:
                    self.account = said

    async def tell(self, command: bytes) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(command)

    async def finish(self) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.aclose()
        await self.process.wait()


async def run_python(
    *command: object, task_status: trio.TaskStatus[trio.Process], **options: Any
) -> None:
    """Run a process of this Python, and continue it at the end if it is stopped."""
    await trio.run_process(
        [sys.executable, "-W", "error", *map(str, command)],
        check=False,
        deliver_cancel=_continue_and_terminate,
        task_status=task_status,
        **options,
    )


async def _continue_and_terminate(process: trio.Process) -> None:
    process.terminate()
    process.send_signal(signal.SIGCONT)


async def serve(mailbox_messages: int) -> None:
    limits = ServerLimits(
        mailbox_messages=mailbox_messages,
        mailbox_bytes=mailbox_messages * 512,
        messages_per_second=400,
        messages_burst=400,
        joins_per_second=1000,
        joins_burst=10_000,
        resume_seconds=300,
        ping_seconds=5,
        pong_seconds=5,
    )

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            lambda task_status: serve_signaling(
                0, host="127.0.0.1", limits=limits, task_status=task_status
            )
        )
        print(listeners[0].socket.getsockname()[1], flush=True)


async def stop_now_and_then(
    name: str, process: trio.Process, pause: float, longest: float, faults: Counter[str]
) -> None:
    while True:
        await trio.sleep(random.expovariate(1 / pause))
        faults[f"{name}_stopped"] += 1
        process.send_signal(signal.SIGSTOP)
        try:
            await trio.sleep(random.uniform(0.1, longest))
        finally:
            process.send_signal(signal.SIGCONT)


def plan(clients: int, processes: int) -> list[dict[str, Any]]:
    """Which clients are in which process: those of a room in several."""
    rooms: dict[str, list[str]] = {}
    parts: list[list[dict[str, str]]] = [[] for _ in range(processes)]
    for number in range(clients):
        room = f"room {number // ROOM_SIZE}"
        name = f"client {number}"
        rooms.setdefault(room, []).append(name)
        pace = PACES[number % len(PACES)]
        parts[number % processes].append({"name": name, "room": room, "pace": pace})
    return [{"clients": part, "rooms": rooms} for part in parts]


def check(accounts: dict[str, Any]) -> Figures:
    """Compare what was sent with what has come."""
    figures = Figures()
    for sender, account in accounts.items():
        figures.dropped += account["dropped"]
        if account["ended"]:
            figures.ended.append(f"{sender}: {account['ended']}")
        for to, count in account["sent"].items():
            came = accounts[to]["came"].get(sender, {})
            last = came.get("last", 0)
            missing = {*came.get("missing", ()), *range(last + 1, count + 1)}
            failed = account["failed"].get(to, [])
            figures.sent += count
            figures.delivered += count - len(missing)
            figures.told += len(failed)
            figures.lost += len(missing - set(failed))
            figures.told_wrongly += len(set(failed) - missing) + len(failed) - len(set(failed))
            figures.doubled += came.get("doubled", 0)
            figures.out_of_order += came.get("out_of_order", 0)
    return figures


class Run:
    """The clients and what is done to them."""

    def __init__(self, options: argparse.Namespace, server: trio.Process, port: int):
        self._options = options
        self._server = server
        self._network = Network(port, options.seed)
        self._faults: Counter[str] = Counter()
        self._workers: list[Worker] = []

    async def run(self) -> Figures:
        options = self._options
        began = time.monotonic()
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, self._network.serve, 0)
            port = listeners[0].socket.getsockname()[1]
            each = math.ceil(options.messages / options.clients)
            for number, part in enumerate(plan(options.clients, options.processes)):
                process = await nursery.start(
                    partial(
                        run_python,
                        CLIENTS, f"ws://127.0.0.1:{port}", json.dumps(part), "--seed", number,
                        "--messages", each, "--rate", options.rate, "--places", options.places,
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    )
                )  # fmt: skip
                worker = Worker(process)
                self._workers.append(worker)
                nursery.start_soon(worker.read)
            await self._until(lambda: self._all("ready"))
            async with trio.open_nursery() as chaos:
                chaos.start_soon(self._network.fail, options.pause)
                chaos.start_soon(stop_now_and_then, "server", self._server, 20, 1.5, self._faults)
                for worker in self._workers:
                    chaos.start_soon(
                        stop_now_and_then, "client", worker.process, 6, 4, self._faults
                    )
                with trio.move_on_after(options.seconds):
                    await self._until(lambda: self._all("done"))
                for worker in self._workers:
                    await worker.tell(b"stop\n")
                await self._until(lambda: self._all("done"))
                chaos.cancel_scope.cancel()
            for worker in self._workers:
                await worker.tell(b"end\n")
            await self._until(
                lambda: self._sum("received") + self._sum("told") >= self._sum("sent")
            )
            # What comes twice may come late.
            await trio.sleep(3)
            for worker in self._workers:
                await worker.finish()
            while not all(worker.account for worker in self._workers):  # noqa: ASYNC110
                await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
        figures = check({k: v for worker in self._workers for k, v in worker.account.items()})
        figures.faults = {**self._network.faults, **self._faults}
        figures.seconds = round(time.monotonic() - began, 1)
        return figures

    def _all(self, what: str) -> bool:
        return all(worker.progress.get(what) for worker in self._workers)

    @property
    def _known(self) -> int:
        return self._sum("received") + self._sum("told")

    def _sum(self, what: str) -> int:
        return sum(worker.progress.get(what, 0) for worker in self._workers)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for something, for as long as there is some progress."""
        moved, before = trio.current_time(), -1
        while not condition() and trio.current_time() < moved + QUIET_SECONDS:
            await trio.sleep(0.2)
            now = self._sum("sent") + self._known
            if now != before:
                moved, before = trio.current_time(), now
                if self._options.verbose:
                    sent, received = self._sum("sent"), self._sum("received")
                    print(
                        f"{sent} sent, {received} received, {self._sum('told')} told",
                        file=sys.stderr,
                    )


async def measure(options: argparse.Namespace) -> Figures:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(
                run_python,
                __file__,
                "--serve",
                "--mailbox",
                options.mailbox,
                stdout=subprocess.PIPE,
            )
        )
        port = int(await server.stdout.receive_some())
        figures = await Run(options, server, port).run()
        nursery.cancel_scope.cancel()
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=math.inf, help="no more after these")
    parser.add_argument("--clients", type=int, default=48)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--rate", type=float, default=200, help="messages per second and client")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two faults")
    parser.add_argument("--mailbox", type=int, default=2000, help="messages that wait in a server")
    parser.add_argument("--places", type=int, default=256, help="messages that wait in a client")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        trio.run(serve, options.mailbox)
    random.seed(options.seed)
    figures = trio.run(measure, options)
    text = json.dumps(asdict(figures), indent=2)
    print(text)
    if options.json is not None:
        options.json.write_text(text)
    return 0 if figures.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
