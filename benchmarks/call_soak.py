"""Make many calls, one after the other and at once, and look at what is left of them.

Both ends and the server are in this process. Each call opens a channel, sends a message there
and back, and hangs up.
"""

from __future__ import annotations

import argparse
import gc
import json
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from trio_rtc import Call, Signaling, open_call, open_signaling, serve_calls, serve_signaling

WARM_UP = 10

Snapshot = dict[str, float | str]


def tasks(task: trio.lowlevel.Task | None) -> int:
    """The tasks of Trio from this one downwards."""
    if task is None:
        return 0
    return 1 + sum(
        tasks(child) for nursery in task.child_nurseries for child in nursery.child_tasks
    )


def sockets() -> int:
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += str(entry.readlink()).startswith("socket:")
    return found


def threads() -> int:
    """All but those that Trio keeps for the next 10 s, in case that there is work for one."""
    return sum(not thread.name.startswith("Trio thread ") for thread in threading.enumerate())


def snapshot(when: str, began: float) -> Snapshot:
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "when": when,
        "seconds": round(trio.current_time() - began, 1),
        "tasks": tasks(trio.lowlevel.current_root_task()),
        "threads": threads(),
        "sockets": sockets(),
        "memory_mib": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "objects": len(gc.get_objects()),
    }


async def echo(call: Call) -> None:
    async for channel in call.channels:
        async for message in channel:
            await channel.send(message)


async def call_once(signaling: Signaling) -> None:
    async with (
        open_call(signaling, "echo", receive=()) as call,
        await call.open_channel("chat") as channel,
    ):
        await channel.send("hello")
        assert await channel.receive() == "hello"


async def soak(calls: int, at_once: int) -> list[Snapshot]:
    began = trio.current_time()
    snapshots: list[Snapshot] = []

    async def take(when: str) -> None:
        # The side that answers is done a little later.
        before = None
        while before != (now := (threads(), tasks(trio.lowlevel.current_root_task()))):
            before = now
            await trio.sleep(1)
        snapshots.append(snapshot(when, began))
        print(json.dumps(snapshots[-1]), flush=True)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(serve_signaling, 0, host="127.0.0.1"))
        url = f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with (
            open_signaling(url, name="echo") as answering,
            open_signaling(url, name="caller") as calling,
        ):
            await nursery.start(serve_calls, echo, answering)
            await calling.wait_for_peer("echo")
            for _ in range(WARM_UP):
                await call_once(calling)
            await take("start")
            for _ in range(calls):
                await call_once(calling)
            await take(f"after {calls} calls, one after the other")
            async with trio.open_nursery() as group:
                for number in range(at_once):
                    group.start_soon(call_from_its_own, url, number)
            await take(f"after {at_once} calls at once")
            nursery.cancel_scope.cancel()
    return snapshots


async def call_from_its_own(url: str, number: int) -> None:
    """Two peers have one call with each other at a time: each caller is a peer of its own."""
    async with open_signaling(url, name=f"caller {number}") as signaling:
        await signaling.wait_for_peer("echo")
        await call_once(signaling)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="calls one after the other")
    parser.add_argument("--at-once", type=int, default=50, help="calls at once after that")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    arguments = parser.parse_args()
    snapshots = trio.run(soak, arguments.calls, arguments.at_once)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(snapshots, indent=2) + "\n")


if __name__ == "__main__":
    main()
