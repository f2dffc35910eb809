#!/usr/bin/env python3
"""A shell on another machine, through NAT, for whoever knows a secret that nobody else learns.

    python examples/remote_shell.py --code SECRET          on the machine to be used
    python examples/remote_shell.py --code SECRET --call   on the other

Each line is a command, and its output comes back as it is written. The `code` of a call is proven
by both ends without being sent (docs/security.md); it is good for one guess, so the program ends
after it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import trio

import trio_rtc


async def run_commands(call: trio_rtc.Call) -> None:
    """A handler of calls: each line is a command; an empty message is the end of its output."""
    async for channel in call.channels:
        async for line in channel:
            process = await trio.lowlevel.open_process(
                ["sh", "-c", str(line)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            assert process.stdout is not None
            try:
                async for output in process.stdout:
                    await channel.send(bytes(output))
                await channel.send(f"[{await process.wait()}]")
            finally:
                if process.returncode is None:
                    process.kill()


async def run_one(channel: trio_rtc.DataChannel, line: str) -> tuple[bytes, int]:
    """Have a command run at the other end; its output, and its exit status."""
    await channel.send(line)
    output = bytearray()
    async for message in channel:
        if isinstance(message, str):
            return bytes(output), int(message.strip("[]"))
        output += message
    raise trio.BrokenResourceError("the other side has gone")


async def serve(server: str, name: str, code: str) -> None:
    async with trio_rtc.open_signaling(server, name=name) as signaling:
        print(f"waiting as {name}", flush=True)
        await trio_rtc.serve_calls(run_commands, signaling, code=code, max_calls=1)


async def use(server: str, name: str, code: str) -> None:
    async with (
        trio_rtc.open_signaling(server, name=f"user of {name}") as signaling,
        trio_rtc.open_call(signaling, await signaling.wait_for_peer(name), code=code) as call,
        await call.open_channel("shell") as channel,
    ):
        while line := await trio.to_thread.run_sync(read_line, abandon_on_cancel=True):
            output, status = await run_one(channel, line)
            sys.stdout.buffer.write(output)
            print(f"[{status}]" if status else "", end="", flush=True)


def read_line() -> str:
    print("$ ", end="", flush=True)
    return sys.stdin.readline()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="shell", help="what the machine is called")
    parser.add_argument("--code", required=True, help="what both ends know")
    parser.add_argument("--call", action="store_true", help="use the machine")
    arguments = parser.parse_args()
    try:
        does = use if arguments.call else serve
        trio.run(does, arguments.server, arguments.name, arguments.code)
    except* KeyboardInterrupt:
        pass
    except* trio_rtc.TrioRTCError as group:
        sys.exit(f"{parser.prog}: {group.exceptions[0]}")
