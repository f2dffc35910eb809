#!/usr/bin/env python3
"""CPU time of media that are sent and recorded as they are, beside decoding and encoding.

A film of 640x480 pixels, 30 a second, of 1 Mbit/s in H.264 is sent by a process of its own to this
one, which decodes nothing; and is recorded by a process of its own, to which this one sends it.
Sides: ``encoded`` is with ``encoded=True``, ``decoded`` without. Printed are CPU seconds of the
other process per second, and the ratio.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import trio
from measuring import HERE, Table, arguments
from relay import WARM_UP_SECONDS, make_film, report

SIDES = ("encoded", "decoded")
TASKS = ("send", "record")


# The other process: a line with an offer in, one with the answer out, and then the figures.


async def work(task: str, is_encoded: bool, seconds: float, film: Path) -> None:
    import trio_rtc
    from trio_rtc.rtc import TrackEvent, open_peer_connection

    path = film.with_name(f"{time.time_ns()}.mkv")

    async def record(connection: trio_rtc.PeerConnection) -> None:
        async with trio_rtc.record_media(path, encoded=is_encoded) as recorder:
            async for event in connection:
                if isinstance(event, TrackEvent):
                    await recorder.add_track(event.track)

    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        connection = await stack.enter_async_context(open_peer_connection())
        if task == "send":
            opening = trio_rtc.open_media(video=film, loop=True, encoded=is_encoded)
            [track] = await stack.enter_async_context(opening)
            await connection.add_track(track)
        else:
            nursery.start_soon(record, connection)
        offer = await trio.to_thread.run_sync(sys.stdin.readline)
        await connection.set_remote_description(
            trio_rtc.SessionDescription(type="offer", sdp=json.loads(offer))
        )
        await connection.set_local_description()
        print(json.dumps((await connection.gathered()).sdp), flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        cpu, began = time.process_time(), time.perf_counter()
        await trio.sleep(seconds)
        if task == "record" and not path.exists():
            raise RuntimeError("nothing has come to be recorded")
        print(report(began, cpu), flush=True)
        nursery.cancel_scope.cancel()


# The one to whom it is sent, or who sends.


async def measure(task: str, side: str, seconds: float, film: Path, warm_up: float) -> float:
    """CPU seconds of the other process per second."""
    import trio_rtc
    from trio_rtc.rtc import TrackEvent, open_peer_connection

    process = await trio.lowlevel.open_process(
        [sys.executable, HERE / "encoded.py", "--work", task, side, str(seconds), str(film)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    came, rest = trio.Event(), b""

    async def hear() -> Any:
        nonlocal rest
        assert process.stdout is not None
        while b"\n" not in rest:
            data = await process.stdout.receive_some()
            if not data:
                raise RuntimeError("the other process has ended")
            rest += data
        line, _, rest = rest.partition(b"\n")
        return json.loads(line)

    async def watch(connection: trio_rtc.PeerConnection) -> None:
        async for event in connection:
            if isinstance(event, TrackEvent):
                async for _ in event.track.packets():
                    came.set()

    try:
        with trio.fail_after(60 + seconds):
            async with AsyncExitStack() as stack:
                nursery = await stack.enter_async_context(trio.open_nursery())
                connection = await stack.enter_async_context(open_peer_connection())
                nursery.start_soon(watch, connection)
                if task == "send":
                    connection.offer_to_receive(("video",), data_channels=False)
                else:
                    opening = trio_rtc.open_media(video=film, loop=True, encoded=True)
                    [track] = await stack.enter_async_context(opening)
                    await connection.add_track(track)
                    came.set()
                await connection.set_local_description()
                offer = (await connection.gathered()).sdp
                await process.stdin.send_all(json.dumps(offer).encode() + b"\n")
                await connection.set_remote_description(
                    trio_rtc.SessionDescription(type="answer", sdp=await hear())
                )
                await came.wait()
                await trio.sleep(warm_up)
                await process.stdin.send_all(b"\n")
                cpu = float((await hear())["cpu"])
                nursery.cancel_scope.cancel()
        return cpu
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


def main() -> None:
    parser: argparse.ArgumentParser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        task, side, seconds, path = options.work
        return trio.run(work, task, side == "encoded", float(seconds), Path(path))
    if options.quick:
        options.turns, options.seconds = 1, 0.5
    warm_up = 0.0 if options.quick else WARM_UP_SECONDS
    table = Table("media that are encoded already", "decoded")
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        make_film(film)
        for _ in range(options.turns):
            for task in TASKS:
                for side in SIDES:
                    cpu = trio.run(measure, task, side, options.seconds, film, warm_up)
                    table.add(f"CPU seconds per second to {task}", side, cpu)
    table.print()
    table.write(options.json)
    return None


if __name__ == "__main__":
    main()
