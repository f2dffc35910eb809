#!/usr/bin/env python3
"""A TCP port of one machine at another, through a call, in twenty lines of a program.

    python examples/tunnel.py --allow localhost:22         beside the server to be reached
    python examples/tunnel.py --to localhost:22 --at 2222  elsewhere; then: ssh -p 2222 localhost

`trio-rtc forward` does it with a code; this is how to have it in a program of your own. The side
that connects decides what it connects to.
"""

from __future__ import annotations

import argparse
from functools import partial

import trio

import trio_rtc


async def answer(allow: list[str], call: trio_rtc.Call) -> None:
    """A handler of calls, for those targets that are allowed."""
    await trio_rtc.serve_forward(call, allow)


async def serve(server: str, name: str, allow: list[str]) -> None:
    async with trio_rtc.open_signaling(server, name=name) as signaling:
        print(f"{name} connects to {', '.join(allow)}", flush=True)
        await trio_rtc.serve_calls(partial(answer, allow), signaling)


async def listen(server: str, name: str, target: str, at: str) -> None:
    async with (
        trio_rtc.open_signaling(server, name=f"user of {name}") as signaling,
        trio_rtc.open_call(signaling, await signaling.wait_for_peer(name)) as call,
    ):
        print(f"{target} is at {at}", flush=True)
        await trio_rtc.forward_to(call, target, at)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="tunnel", help="what the far end is called")
    parser.add_argument("--allow", action="append", help="HOST:PORT; may be repeated")
    parser.add_argument("--to", metavar="HOST:PORT", help="what to reach, instead")
    parser.add_argument("--at", metavar="PORT", default="2222", help="where it is here")
    arguments = parser.parse_args()
    if bool(arguments.allow) == bool(arguments.to):
        parser.error("either --allow or --to is needed")
    try:
        if arguments.to:
            trio.run(listen, arguments.server, arguments.name, arguments.to, arguments.at)
        else:
            trio.run(serve, arguments.server, arguments.name, arguments.allow)
    except* KeyboardInterrupt:
        pass
