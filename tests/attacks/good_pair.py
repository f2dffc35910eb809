"""Two honest native clients, as a program: one says something to the other every 20 ms.

It is told the URL on standard input, and prints a line when they are there. Each other line ends a
phase, and how long messages took in it is printed. With the last one it tells how many never came.
"""

from __future__ import annotations

import json
import sys
import time

import trio

import trio_rtc

SECONDS = 0.02


async def main(url: str) -> None:
    took: list[float] = []
    sent = received = 0
    async with (
        trio_rtc.open_signaling(url, name="alice", room="good pair") as alice,
        trio_rtc.open_signaling(url, name="bob", room="good pair") as bob,
        trio.open_nursery() as nursery,
    ):

        async def say() -> None:
            nonlocal sent
            peer = await alice.wait_for_peer("bob")
            while True:
                await alice.send(peer, str(time.perf_counter()).encode())
                sent += 1
                await trio.sleep(SECONDS)

        async def hear() -> None:
            nonlocal received
            async for event in bob:
                if isinstance(event, trio_rtc.MessageReceived):
                    received += 1
                    took.append(time.perf_counter() - float(event.data))

        speaking = trio.CancelScope()

        async def speak() -> None:
            with speaking:
                await say()

        nursery.start_soon(speak)
        nursery.start_soon(hear)
        print("ready", flush=True)
        stdin = trio.lowlevel.FdStream(0)
        left = b""
        while line := await stdin.receive_some():
            left += line
            *lines, left = left.split(b"\n")
            for one in lines:
                if one == b"end":
                    speaking.cancel()
                    with trio.move_on_after(100):
                        while received < sent:  # noqa: ASYNC110 (it is looked at once)
                            await trio.sleep(0.05)
                report = {"took": took[:], "lost": sent - received if one == b"end" else 0}
                took.clear()
                print(json.dumps(report), flush=True)
        nursery.cancel_scope.cancel()


trio.run(main, sys.stdin.readline().strip())
