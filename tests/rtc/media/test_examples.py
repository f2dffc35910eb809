"""The programs for media do for many what they do for one."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import av
import trio

import trio_rtc

from ...waiting import until

RECORDER = Path(__file__).parents[3] / "examples" / "recorder.py"
CALLERS = 3


async def until_packets(call: trio_rtc.Call, count: int) -> None:
    """Wait until so many packets of each track have been sent."""
    while True:
        sent = [t.packets for t in (await call.stats()).tracks if t.direction == "sent"]
        if len(sent) == 2 and min(sent) >= count:
            return
        await trio.sleep(0.1)


async def test_the_recorder_records_all_who_call_at_once(tmp_path: Path) -> None:
    connected = 0
    all_there = trio.Event()

    async def call_it(url: str, name: str) -> None:
        nonlocal connected
        async with (
            trio_rtc.open_media(video="pattern", audio="tone") as tracks,
            trio_rtc.open_signaling(url, name=name) as signaling,
        ):
            recorder = await signaling.wait_for_peer("recorder")
            async with trio_rtc.open_call(signaling, recorder, tracks=tracks) as call:
                connected += 1
                if connected == CALLERS:
                    all_there.set()
                await all_there.wait()
                await until_packets(call, 60)
                # How much of it has come is a matter of the machine.
                await until(
                    lambda: all(file.exists() and file.stat().st_size > 1000 for file in files)
                )

    files = [tmp_path / f"{number + 1}.mp4" for number in range(CALLERS)]
    with trio.fail_after(200):
        async with trio.open_nursery() as nursery:
            serve = partial(trio_rtc.serve_signaling, 0, host="localhost")
            listeners = await nursery.start(serve)
            url = f"ws://localhost:{listeners[0].socket.getsockname()[1]}"
            command = [sys.executable, str(RECORDER), "--server", url, "--folder", str(tmp_path)]
            program: trio.Process = await nursery.start(
                partial(trio.run_process, command, stdout=subprocess.DEVNULL)
            )
            async with trio.open_nursery() as callers:
                for number in range(CALLERS):
                    callers.start_soon(call_it, url, f"caller {number}")
            # What is still being written is finished.
            program.send_signal(signal.SIGINT)
            assert await program.wait() == 0
            nursery.cancel_scope.cancel()
    for path in files:
        for kind in ("video", "audio"):
            with av.open(str(path)) as file:
                assert list(file.decode(**{kind: 0}))
