"""One attack, as a program: it goes on until its standard input ends."""

from __future__ import annotations

import os
import resource
import sys

import trio

from .attacks import ATTACKS


async def main(name: str, port: int, size: float) -> None:
    # It stands for a machine of its own: what it takes of this one is not to count.
    os.nice(10)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ATTACKS[name], port, size)
        await trio.lowlevel.FdStream(0).receive_some()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
