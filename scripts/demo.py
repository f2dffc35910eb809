#!/usr/bin/env python3
"""A server and two clients, each a process of its own, in one call; an account of each step."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

LIMIT_SECONDS = 180
TALK_SECONDS = 4

Event = dict[str, Any]


class DemoFailed(Exception):
    """The demo did not show what it is to show."""


@dataclass
class Account:
    """What happened so far, printed as it happens."""

    start: float = field(default_factory=time.time)
    names: dict[int, str] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    happened: set[tuple[str, str]] = field(default_factory=set)

    def tell(self, who: str, event: Event) -> None:
        kind = event["event"]
        other = self.names.get(event.get("peer_id", 0), "the other")
        match kind:
            case "signed_in":
                self.names[event["peer_id"]] = who
                self.line(event, who, f"signed in, with id {event['peer_id']}")
            case "peer_joined":
                self.names.setdefault(event["peer_id"], event["name"])
                self.line(event, who, f"found {event['name']} on the server")
            case "offer_sent" | "answer_sent":
                self.line(event, who, f"sent its {kind.split('_')[0]} to {other}")
            case "offer_received" | "answer_received":
                self.line(event, who, f"received the {kind.split('_')[0]} of {other}")
            case "candidate_sent":
                if event["candidate"]:
                    self.sent[who] += 1
                else:
                    self.line(event, who, f"sent {self.sent[who]} ICE candidates, and the end")
            case "call_connected":
                self.line(
                    event, who, f"connected to {other}, {event['setup_ms']:.0f} ms after start"
                )
            case "message":
                self.line(event, who, f"received a message: {event['data']!r}")
            case "frames":
                if (who, event["kind"]) not in self.happened:
                    self.line(event, who, f"received the first frame of {event['kind']}")
                self.happened.add((who, event["kind"]))
                self.sent[f"{who} {event['kind']}"] = event["count"]
            case "hung_up":
                counts = ", ".join(
                    f"{self.sent[f'{who} {kind}']} of {kind}" for kind in ("video", "audio")
                )
                reason = event["reason"].replace("_", " ")
                self.line(event, who, f"hung up ({reason}), after frames: {counts}")
            case "error":
                raise DemoFailed(f"{who}: {event['message']}")
        self.happened.add((who, kind))

    def line(self, event: Event, who: str, text: str) -> None:
        print(f"{event['time'] - self.start:7.3f} s  {who:<6}  {text}", flush=True)


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[trio.Process]:
    """A command of ours as a process, ended with the block."""
    command = [sys.executable, "-m", "trio_rtc", *arguments]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        with trio.move_on_after(5, shield=True) as scope:
            await process.wait()
        if scope.cancelled_caught:
            process.kill()


async def lines(process: trio.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    pending = b""
    async for data in process.stdout:
        *complete, pending = (pending + data).split(b"\n")
        for line in complete:
            yield line.decode()


async def run_client(account: Account, name: str, *arguments: str) -> None:
    """Run a client to its end, telling all its events."""
    media = ("--video", "pattern", "--audio", "tone")
    async with started("client", "--name", name, "--json", *media, *arguments) as process:
        async for line in lines(process):
            account.tell(name, json.loads(line))
        if await process.wait() != 0:
            raise DemoFailed(f"the client {name} ended with status {process.returncode}")


async def demo() -> None:
    account = Account()
    async with started("server", "--host", "127.0.0.1", "--port", "0") as server:
        output = lines(server)
        url = (await anext(output)).split()[-1]
        account.line({"time": time.time()}, "server", f"listening on {url}")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_client, account, "bob", "--server", url, "--once", "--echo")
            nursery.start_soon(
                run_client, account, "alice", "--server", url, "--call", "bob",
                "--send", "hello, bob", "--send", "how are you?",
                "--expect", "2", "--hold", str(TALK_SECONDS),
            )  # fmt: skip
    expected = {(who, what) for who in ("alice", "bob") for what in ("video", "audio", "message")}
    if missing := expected - account.happened:
        raise DemoFailed(
            "did not arrive: " + ", ".join(f"{what} at {who}" for who, what in missing)
        )
    print(f"{time.time() - account.start:7.3f} s  done: both saw, heard and read the other")


def main() -> int:
    problem = f"not done within {LIMIT_SECONDS} seconds"
    try:
        with_limit = trio.run(_limited)
        if with_limit:
            return 0
    except* DemoFailed as group:
        problem = str(_first(group))
    except* (OSError, StopAsyncIteration, json.JSONDecodeError) as group:
        problem = f"a process could not be run or understood: {_first(group)!r}"
    print(f"the demo failed: {problem}", file=sys.stderr)
    return 1


async def _limited() -> bool:
    with trio.move_on_after(LIMIT_SECONDS) as scope:
        await demo()
    return not scope.cancelled_caught


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
