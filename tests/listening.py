"""Servers that others wrote, as processes of a test."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio


@asynccontextmanager
async def listening(
    command: Sequence[str], folder: Path, log: Path, awaited: tuple[str, int]
) -> AsyncIterator[None]:
    """Run a program during the block, in a folder, once it listens on TCP there."""
    with log.open("ab") as output:
        process = await trio.lowlevel.open_process(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        with trio.move_on_after(100) as patience:
            while process.returncode is None:
                try:
                    stream = await trio.open_tcp_stream(*awaited)
                except OSError:
                    await trio.sleep(0.02)
                    continue
                await stream.aclose()
                break
        assert process.returncode is None, _end_of(log)
        assert not patience.cancelled_caught, _end_of(log)
        yield
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()


def _end_of(log: Path) -> str:
    return log.read_text()[-2000:]
