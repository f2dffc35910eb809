"""Ctrl-C at any line of what crosses to asyncio."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import av
import pytest
import trio

from trio_rtc.rtc.bridge import bridge, engines, stepped_loop, stepper
from trio_rtc.rtc.bridge.bridge import open_bridge

FILES = {module.__file__ for module in (bridge, engines, stepped_loop, stepper)}


@contextmanager
def interrupting(line: int) -> Iterator[list[str]]:
    """A SIGINT before this line of what runs in those files, counted from 1; tells which it was."""
    left = line
    where: list[str] = []

    def trace_lines(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                where.append(f"{frame.f_code.co_qualname}, line {frame.f_lineno}")
                signal.raise_signal(signal.SIGINT)
        return trace_lines

    def trace_calls(frame: FrameType, *_: object) -> Any:
        return trace_lines if frame.f_code.co_filename in FILES else None

    before = sys.gettrace()
    sys.settrace(trace_calls)
    try:
        yield where
    finally:
        sys.settrace(before)


async def cross() -> None:
    async with open_bridge() as crossing:
        crossing.call_soon(int)
        assert await crossing.run(asyncio.sleep, 0, "slept") == "slept"
        await crossing.run(asyncio.sleep, 0.001)
    async with open_bridge() as crossing:
        with trio.move_on_after(0):
            await crossing.run(asyncio.sleep, 60)


@pytest.mark.parametrize("engine", ["stepped", "portal"])
def test_nothing_hangs_or_is_left(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_RTC_ENGINE", engine)
    line = 0
    while True:
        line += 1
        with interrupting(line) as where:
            try:
                trio.run(cross)
            except* KeyboardInterrupt:
                print("interrupted at", *where)
            else:
                assert where == []
        if not where:
            break
    assert line > 100
    # What an interrupt has left unclosed would warn now.
    gc.collect()


#: Three times Ctrl-C, at odd moments, while media are read and recorded; none after the run,
#: however long the thread has to wait for its turn.
PROGRAM = """
import os, signal, sys, threading, time, trio, trio_rtc

interrupting, over = threading.Lock(), threading.Event()

async def interrupt():
    def kill():
        for _ in range(3):
            with interrupting:
                if not over.is_set():
                    os.kill(os.getpid(), signal.SIGINT)
            time.sleep(float(sys.argv[1]))
    threading.Thread(target=kill, daemon=True).start()

async def main():
    try:
        await record()
    finally:
        with interrupting:
            over.set()

async def record():
    async with (
        trio_rtc.open_media(video="pattern", audio="tone") as tracks,
        trio_rtc.record_media(sys.argv[2]) as recorder,
    ):
        for track in tracks:
            await recorder.add_track(track)
        frames = tracks[0].frames()
        for _ in range(10):
            await anext(frames)
        await interrupt()
        await trio.sleep_forever()

try:
    trio.run(main)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("engine", ["stepped", "portal"])
@pytest.mark.parametrize("pause", ["0", "0.002", "0.05"])
def test_three_times_ctrl_c_leave_no_traceback(engine: str, pause: str, tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, pause, path],
        env={**os.environ, "TRIO_RTC_ENGINE": engine},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
    with av.open(str(path)) as container:
        assert len(container.streams) == 2
