#!/usr/bin/env python3
"""A folder that everybody may put files into: from the page, or with `trio-rtc send --to drop`.

Each sender gets a folder of their own, files are whole or not there at all, and what is larger
than `--largest` is declined.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import trio

import trio_rtc


class Drop:
    """Where files go.

    Args:
        folder: each sender has one in it.
        largest: bytes of one transfer.
    """

    def __init__(self, folder: Path, largest: int):
        self._folder = folder
        self._largest = largest

    async def _accept(self, offer: trio_rtc.FileOffer) -> bool:
        # A file that is streamed does not say how large it is.
        return offer.size is not None and offer.size <= self._largest

    async def take(self, call: trio_rtc.Call) -> None:
        """A handler of calls: everything that is sent in one, until it is over."""
        # Names of peers may hold anything but control characters.
        name = "".join(c if c.isalnum() or c in " -_" else "_" for c in call.peer.name)[:60]
        folder = self._folder / (name.strip() or "somebody")
        await trio.Path(folder).mkdir(parents=True, exist_ok=True)
        while call.end is None:
            try:
                for path in await trio_rtc.receive_files(call, folder, accept=self._accept):
                    print(f"{call.peer.name}: {path}", flush=True)
            except trio_rtc.FileError as error:
                print(f"{call.peer.name}: {error}", flush=True)


async def serve(server: str, name: str, drop: Drop) -> None:
    async with trio_rtc.open_signaling(server, name=name) as signaling:
        print(f"send files to {name}", flush=True)
        await trio_rtc.serve_calls(drop.take, signaling)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="drop", help="what others call us by")
    parser.add_argument("--folder", type=Path, default=Path("dropped"))
    parser.add_argument("--largest", type=int, default=2**30, help="bytes of one transfer")
    arguments = parser.parse_args()
    try:
        drop = Drop(arguments.folder, arguments.largest)
        trio.run(serve, arguments.server, arguments.name, drop)
    except* KeyboardInterrupt:
        pass
