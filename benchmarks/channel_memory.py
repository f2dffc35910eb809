"""Send a lot to a reader that is slow, and see what both processes need for it.

The reader stands still at first, and then takes a pause after each 4 MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import trio

from trio_rtc import Call, open_call, open_signaling, serve_calls, serve_signaling

MIB = 2**20


def memory(name: str) -> float:
    """``VmRSS`` (now) or ``VmHWM`` (the peak) of this process, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


def forget_peak() -> None:
    """Let the peak begin where we are now."""
    Path("/proc/self/clear_refs").write_text("5")


def figures(start: float) -> dict[str, float]:
    return {"start_mib": round(start, 1), "peak_mib": round(memory("VmHWM"), 1)}


async def read(url: str, pause: float) -> None:
    """The process of the reader; it prints its figures."""

    async def handle(call: Call) -> None:
        channel = await anext(aiter(call.channels))
        start = memory("VmRSS")
        forget_peak()
        await trio.sleep(20 * pause)
        received = due = 0
        async for message in channel:
            received += len(message)
            if received >= due:
                due += 4 * MIB
                await trio.sleep(pause)
        print(json.dumps({"bytes": received, **figures(start)}), flush=True)

    async with open_signaling(url, name="reader") as signaling:
        await serve_calls(handle, signaling)


async def measure(size: int, message_size: int, pause: float) -> dict[str, object]:
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(serve_signaling, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        reader = await nursery.start(
            partial(
                trio.run_process,
                [sys.executable, __file__, "--read", url, "--pause", str(pause)],
                stdout=subprocess.PIPE,
                check=False,
            )
        )
        async with open_signaling(url, name="sender") as signaling:
            await signaling.wait_for_peer("reader")
            async with open_call(signaling, "reader", receive=()) as call:
                channel = await call.open_channel("data")
                start = memory("VmRSS")
                forget_peak()
                began = trio.current_time()
                message = os.urandom(message_size)
                for _ in range(size // message_size):
                    await channel.send(message)
                buffered = channel.statistics().current_buffer_used
                await channel.aclose()
                seconds = trio.current_time() - began
                result = json.loads(await reader.stdout.receive_some(65536))
        reader.terminate()
        nursery.cancel_scope.cancel()
    assert result.pop("bytes") == size // message_size * message_size
    return {
        "mib": size / MIB,
        "message_kib": message_size / 1024,
        "seconds": round(seconds, 1),
        "buffered_at_the_end": buffered,
        "sender": figures(start),
        "reader": result,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=float, default=1024, help="how much is sent")
    parser.add_argument("--message-kib", type=float, default=64, help="in messages of this size")
    parser.add_argument("--pause", type=float, default=0.05, help="of the reader, in seconds")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--read", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        trio.run(read, arguments.read, arguments.pause)
        return
    size, message_size = int(arguments.mib * MIB), int(arguments.message_kib * 1024)
    result = trio.run(measure, size, message_size, arguments.pause)
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
