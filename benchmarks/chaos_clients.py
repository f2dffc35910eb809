"""Clients of the chaos run, in a process of their own that may be stopped at any time.

Each numbers what it sends to each other, and keeps account of what of that failed, and of what has
come from each. Progress goes to standard output, as JSON in a line, twice a second; at the end of
standard input the account follows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from trio_rtc.errors import SignalingError, SignalingLost, UnknownPeer
from trio_rtc.signaling import (
    EventsDropped,
    MessageFailed,
    MessageReceived,
    Signaling,
    event_queue,
    native_connection,
    open_signaling,
)


@dataclass
class Came:
    """What has come from one peer.

    Attributes:
        last: the highest number.
        missing: what has been left out before it.
    """

    last: int = 0
    missing: set[int] = field(default_factory=set)
    doubled: int = 0
    out_of_order: int = 0

    def take(self, number: int) -> None:
        if number > self.last:
            self.missing.update(range(self.last + 1, number))
            self.last = number
        elif number in self.missing:
            self.out_of_order += 1
        else:
            self.doubled += 1


class Account:
    """What one client knows of its messages."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.failed: defaultdict[str, list[int]] = defaultdict(list)
        self.came: defaultdict[str, Came] = defaultdict(Came)
        self.received = self.told = self.dropped = 0
        self.ended = ""
        # Of each message, in order: what `send` has returned, whom it was to, its number there.
        self._numbers = array("Q")
        self._to: list[str] = []
        self._count = array("Q")

    def put(self, number: int, to: str) -> None:
        self._numbers.append(number)
        self._to.append(to)
        self._count.append(self.sent[to])

    def fail(self, number: int) -> None:
        index = bisect_left(self._numbers, number)
        self.failed[self._to[index]].append(self._count[index])
        self.told += 1

    def take(self, sender: str, number: int) -> None:
        self.came[sender].take(number)
        self.received += 1

    def as_json(self) -> dict[str, object]:
        return {
            "sent": self.sent,
            "failed": self.failed,
            "dropped": self.dropped,
            "ended": self.ended,
            "came": {
                name: {
                    "last": came.last,
                    "missing": sorted(came.missing),
                    "doubled": came.doubled,
                    "out_of_order": came.out_of_order,
                }
                for name, came in self.came.items()
            },
        }


class Client:
    """One client.

    Args:
        pace: how it takes what comes: ``quick``, ``slow``, ``moody`` (it stops for seconds every
            now and then) or ``late`` (not at all before the end).
    """

    def __init__(self, url: str, name: str, room: str, pace: str, messages: int, rate: float):
        self.name = name
        self.account = Account()
        self._url = url
        self.room = room
        self._pace = pace
        self._messages = messages
        self._rate = rate
        self.ready = trio.Event()
        self.done = trio.Event()
        self.stopping = False
        self.ending = trio.Event()

    async def run(self, others: list[str]) -> None:
        try:
            async with (
                open_signaling(self._url, name=self.name, room=self.room) as signaling,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(self._take, signaling)
                for name in others:
                    await signaling.wait_for_peer(name)
                self.ready.set()
                await self._send(signaling, others)
                self.done.set()
                await trio.sleep_forever()
        except* SignalingLost as lost:
            self.account.ended = str(lost.exceptions[0])
        finally:
            self.done.set()

    async def _send(self, signaling: Signaling, others: list[str]) -> None:
        peers = [await signaling.wait_for_peer(name) for name in others]
        for _ in range(self._messages):
            if self.stopping:
                break
            peer = random.choice(peers)
            size = 5000 if random.random() < 0.01 else random.randrange(100)
            self.account.sent[peer.name] += 1
            text = f"{self.account.sent[peer.name]} {'x' * size}"
            try:
                number = await signaling.send(peer, text)
            except UnknownPeer:
                # Its session has ended, which it tells in its own account.
                self.account.sent[peer.name] -= 1
                await trio.sleep(1)
                continue
            self.account.put(number, peer.name)
            if random.random() < 0.05:
                await trio.sleep(random.expovariate(self._rate / 20))

    async def _take(self, signaling: Signaling) -> None:
        if self._pace == "late":
            await self.ending.wait()
        async for event in signaling:
            match event:
                case MessageReceived(peer, data):
                    self.account.take(peer.name, int(data.split(b" ")[0]))
                    await self._dawdle()
                case MessageFailed(number=number):
                    assert number is not None
                    self.account.fail(number)
                case EventsDropped(count):
                    self.account.dropped += count

    async def _dawdle(self) -> None:
        if self.ending.is_set():
            return
        with trio.move_on_after(5) as scope:
            if self._pace == "slow" and random.random() < 0.1:
                scope.deadline = trio.current_time() + 0.1
                await self.ending.wait()
            elif self._pace == "moody" and random.random() < 0.002:
                scope.deadline = trio.current_time() + random.uniform(0.5, 4)
                await self.ending.wait()


async def visit(url: str, name: str, room: str) -> None:
    """Come and go, over and over."""
    while True:
        with suppress(SignalingError):
            async with open_signaling(url, name=name, room=room):
                await trio.sleep(random.uniform(0, 1))


async def report(clients: list[Client]) -> None:
    while True:
        accounts = [client.account for client in clients]
        progress = {
            "sent": sum(account.sent.total() for account in accounts),
            "received": sum(account.received for account in accounts),
            "told": sum(account.told for account in accounts),
            "ready": all(client.ready.is_set() for client in clients),
            "done": all(client.done.is_set() for client in clients),
        }
        print(json.dumps(progress), flush=True)
        await trio.sleep(0.5)


async def main(options: argparse.Namespace) -> None:
    random.seed(options.seed)
    plan = json.loads(options.plan)
    clients = [
        Client(options.url, **client, messages=options.messages, rate=options.rate)
        for client in plan["clients"]
    ]
    async with trio.open_nursery() as nursery:
        for client in clients:
            others = [name for name in plan["rooms"][client.room] if name != client.name]
            nursery.start_soon(client.run, others)
        for number, room in enumerate(plan["rooms"]):
            nursery.start_soon(visit, options.url, f"visitor {options.seed}.{number}", room)
        nursery.start_soon(report, clients)
        async with trio.lowlevel.FdStream(os.dup(0)) as commands:
            async for command in commands:
                for client in clients:
                    client.stopping = True
                    # With the second the faults are over, and what waits is taken.
                    if b"end" in command:
                        client.ending.set()
        nursery.cancel_scope.cancel()
    print(json.dumps({client.name: client.account.as_json() for client in clients}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("plan", help="JSON: clients and rooms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--messages", type=int, required=True, help="how many each sends")
    parser.add_argument("--rate", type=float, required=True, help="how many in a second")
    parser.add_argument("--places", type=int, required=True, help="how many wait to be taken")
    arguments = parser.parse_args()
    # Half-open connections are noticed within four seconds instead of ten.
    native_connection.PING_SECONDS = native_connection.PONG_SECONDS = 2.0
    event_queue.PLACES = arguments.places
    trio.run(main, arguments)
