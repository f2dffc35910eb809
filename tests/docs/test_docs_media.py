"""What the page on media shows is run as it stands there, in real calls."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import trio
from av import VideoFrame

import trio_rtc
from trio_rtc.calls.calling import open_call
from trio_rtc.testing import MemoryHub

from ..calls.both_sides import next_track, serving
from ..ports import free_port
from ..rtc.media.films import make_film
from ..waiting import until
from .console_blocks import going_on_when_ready
from .pages import ROOT, blocks_of, function_of

BLOCKS = blocks_of("media.md")
function = partial(function_of, BLOCKS, np=np, VideoFrame=VideoFrame)


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in BLOCKS} == {"python", "text", "console"}


async def test_watching() -> None:
    (expected,) = (text for language, text in BLOCKS if language == "text")
    printed = io.StringIO()
    async with (
        trio_rtc.open_media(video="pattern") as tracks,
        serving(MemoryHub(), tracks=tracks) as (alice, _),
        open_call(alice, "bob") as call,
    ):
        with contextlib.redirect_stdout(printed):
            await function("watch")(call)
    assert printed.getvalue() == expected


async def test_showing() -> None:
    async with serving(MemoryHub()) as (alice, _), open_call(alice, "bob") as call:
        await function("show")(call)
        # What was stopped, and what has ended with its block.
        assert list(call.senders) == []


async def test_passing_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    film = make_film(tmp_path / "film.mp4", 3, audio=None)
    printed = io.StringIO()
    async with (
        trio_rtc.open_media(video=film, loop=True) as tracks,
        serving(MemoryHub(), tracks=tracks) as (alice, _),
        open_call(alice, "bob") as call,
    ):
        with contextlib.redirect_stdout(printed):
            await function("pass_on")(call)
    assert printed.getvalue() == "True 1/90000\n"


async def test_handing_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with (
        trio_rtc.open_media(video="pattern") as tracks,
        serving(MemoryHub(), tracks=tracks) as (alice, _),
        open_call(alice, "bob") as call,
    ):
        await function("hand_on", Path=Path)(call)
    assert "VP8/90000" in await trio.Path("camera.sdp").read_text()


async def test_broadcasting() -> None:
    hub = MemoryHub()
    carol = hub.sign_in("carol")
    give, take = trio.open_memory_channel[trio_rtc.Call](1)

    async def keep(call: trio_rtc.Call) -> None:
        await give.send(call)
        await call.wait_ended()

    async with (
        trio_rtc.open_media(video="pattern") as tracks,
        serving(hub, tracks=tracks) as (alice, _),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(trio_rtc.serve_calls, keep, carol)
        async with open_call(alice, "bob") as publisher, open_call(alice, "carol") as viewer:
            nursery.start_soon(function("broadcast"), publisher, viewer)
            seen = await take.receive()
            await next_track(seen)
        nursery.cancel_scope.cancel()


async def received(call: trio_rtc.Call) -> list[int]:
    """Packets of each track."""
    return [t.packets for t in (await call.stats()).tracks if t.direction == "received"]


async def test_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with (
        trio_rtc.open_media(video="pattern", audio="tone") as tracks,
        serving(MemoryHub(), tracks=tracks) as (alice, _),
        open_call(alice, "bob") as call,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(function("record"), call)
        await until(lambda: Path("call.mp4").exists())
        packets = await received(call)
        while min(await received(call)) < max(packets) + 50:  # noqa: ASYNC110
            await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    with av.open("call.mp4") as file:
        assert {stream.type for stream in file.streams} == {"audio", "video"}


def test_the_two_programs(tmp_path: Path) -> None:
    (block,) = (text for language, text in BLOCKS if language == "console")
    port = str(free_port())
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    script = "\n".join(
        line.replace("8888", port)
        .replace("python examples", f"{sys.executable} {ROOT}/examples")
        .replace(".py ", f".py --server ws://localhost:{port} ")
        .replace("trio-rtc client", f"trio-rtc client --server ws://localhost:{port}")
        for line in lines
    )
    script = going_on_when_ready(script)
    done = subprocess.run(
        ["bash", "-ec", f"trap 'kill $(jobs -p)' EXIT\n{script}\nkill $program; wait $program"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
        },
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("filtered.mp4", "1.mp4"):
        with av.open(str(tmp_path / name)) as file:
            frames = list(file.decode(video=0))
            # How many there are is a matter of the machine.
            assert (frames[0].width, frames[0].height) == (640, 480)
        with av.open(str(tmp_path / name)) as file:
            assert list(file.decode(audio=0))


@pytest.mark.parametrize("program", ["video_filter.py", "recorder.py"])
def test_what_a_newcomer_may_do_wrong(program: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{unused.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / program), "--server", url],
            capture_output=True, text=True, timeout=200,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"{program}: no signaling server answers at ws://")
    assert len(done.stderr.splitlines()) == 1
