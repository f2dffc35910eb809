#!/usr/bin/env python3
"""A file beside a bare channel: how fast, and what memory both processes need for it.

Each side is a process of its own. In every turn as many bytes go over a bare channel, in messages
of 64 KiB, as a file has; the ratio of the two is what counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import trio
from channel_memory import MIB, forget_peak, memory

from trio_rtc import (
    Call,
    CallError,
    open_call,
    open_signaling,
    receive_files,
    send_files,
    serve_calls,
    serve_signaling,
)

BLOCK = os.urandom(16 * MIB)
PIECE = 64 * 1024


async def receive(url: str, folder: str) -> None:
    """The process of the receiver; it prints its figures when the call is over."""

    async def handle(call: Call) -> None:
        start = memory("VmRSS")
        forget_peak()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_bare, call)
            nursery.start_soon(take_files, call)
            await call.wait_ended()
            nursery.cancel_scope.cancel()
        print(json.dumps([start, memory("VmHWM")]), flush=True)

    async def read_bare(call: Call) -> None:
        async for channel in call.channels:
            async for message in channel:
                if isinstance(message, str):
                    await channel.send(message)

    async def take_files(call: Call) -> None:
        with contextlib.suppress(CallError):  # The call is over.
            while True:
                for path in await receive_files(call, folder):
                    path.unlink()

    async with open_signaling(url, name="receiver") as signaling:
        await serve_calls(handle, signaling)


def make(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size, len(BLOCK)):
            file.write(BLOCK[: size - start])


async def send_bare(call: Call, size: int) -> None:
    async with await call.open_channel("bare") as channel:
        for start in range(0, size, PIECE):
            await channel.send(BLOCK[: min(PIECE, size - start)])
        await channel.send("all")
        assert await channel.receive() == "all"


async def measure(size: int, rounds: int, folder: Path, *, bare: bool) -> dict[str, object]:
    path, here = folder / "file", folder / "here"
    here.mkdir()
    make(path, size)
    seconds: dict[str, list[float]] = {"file": [], "bare": []}
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(serve_signaling, 0, host="127.0.0.1"))
        url = f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"
        receiver = await nursery.start(
            partial(
                trio.run_process,
                [sys.executable, __file__, "--receive", url, str(here)],
                stdout=subprocess.PIPE,
                check=False,
            )
        )
        async with open_signaling(url, name="sender") as signaling:
            await signaling.wait_for_peer("receiver")
            async with open_call(signaling, "receiver", receive=()) as call:
                start = memory("VmRSS")
                forget_peak()
                for _ in range(rounds):
                    began = time.perf_counter()
                    await send_files(call, [path])
                    seconds["file"].append(time.perf_counter() - began)
                    if bare:
                        began = time.perf_counter()
                        await send_bare(call, size)
                        seconds["bare"].append(time.perf_counter() - began)
            figures = json.loads(await receiver.stdout.receive_some(65536))
        receiver.terminate()
        nursery.cancel_scope.cancel()
    result: dict[str, object] = {
        "mib": size / MIB,
        "file, MB/s": [round(size / 1e6 / one, 1) for one in seconds["file"]],
        "sender, MiB": [round(start), round(memory("VmHWM"))],
        "receiver, MiB": [round(one) for one in figures],
    }
    if bare:
        result["bare, MB/s"] = [round(size / 1e6 / one, 1) for one in seconds["bare"]]
        ratios = [bare / file for file, bare in zip(seconds["file"], seconds["bare"], strict=True)]
        result["of the bare channel's speed"] = round(statistics.median(ratios), 3)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=float, default=200, help="how large the file is")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-bare", action="store_true", help="only look at the file")
    parser.add_argument("--folder", type=Path, help="where there is room for it, twice")
    parser.add_argument("--receive", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.receive:
        trio.run(receive, *arguments.receive)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        result = trio.run(
            partial(
                measure,
                int(arguments.mib * MIB),
                arguments.rounds,
                Path(folder),
                bare=not arguments.no_bare,
            )
        )
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
