#!/usr/bin/env python3
"""Records everybody who calls, each to a file of their own, as many at once as there are.

Each call has a task, and each task a recorder: a file is finished when its call is over, or when
the program is interrupted. What comes later in a call, such as a screen, is in the same file.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

import trio

import trio_rtc


async def serve(server: str, name: str, folder: Path, suffix: str) -> None:
    async def answer(call: trio_rtc.Call) -> None:
        # The file is finished at the end of the block: at that of the call, or at ours.
        async with trio_rtc.record_media(folder / f"{{n}}.{suffix}") as recorder:
            print(f"{call.peer} is recorded to {recorder.path}", flush=True)
            async for track in call.tracks:
                await recorder.add_track(track)
        print(f"{recorder.path} is finished: {call.end}", flush=True)

    async with trio_rtc.open_signaling(server, name=name) as signaling:
        print(f"signed in as {name}", flush=True)
        await trio_rtc.serve_calls(answer, signaling)


async def until_interrupted(arguments: argparse.Namespace) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                serve, arguments.server, arguments.name, arguments.folder, arguments.format
            )
            await anext(signals)
            nursery.cancel_scope.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="recorder", help="what others call us by")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the files go")
    parser.add_argument("--format", default="mp4", choices=["mp4", "webm", "mkv", "wav", "ogg"])
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.error(f"there is no folder {str(arguments.folder)!r}")
    try:
        trio.run(until_interrupted, arguments)
    except* trio_rtc.TrioRTCError as group:
        sys.exit(f"{parser.prog}: {group.exceptions[0]}")


if __name__ == "__main__":
    main()
