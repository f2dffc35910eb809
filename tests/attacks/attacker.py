"""One attack, as a program: which one, and on what, is on its standard input; it ends with that.

It prints a line when it begins.
"""

from __future__ import annotations

import json
import os
import resource

import trio

from .attacks import ATTACKS


async def main() -> None:
    # It stands for a machine of its own: what it takes of this one is not to count.
    os.nice(10)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    stdin = trio.lowlevel.FdStream(os.dup(0))
    name, port, size = json.loads(await stdin.receive_some())
    print("begins", flush=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ATTACKS[name], port, size)
        await stdin.receive_some()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
