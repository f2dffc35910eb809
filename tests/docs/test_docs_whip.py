"""What the page on WHIP shows is run as it stands there."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import av
import pytest
import trio

import trio_rtc

from ..browser.test_whip import until_published
from ..ports import free_port
from ..server.harness import tcp_server
from .console_blocks import going_on_when_ready
from .pages import blocks_of, function_of

BLOCKS = blocks_of("whip.md")
CONSOLES = [text for language, text in BLOCKS if language == "console"]
function = partial(function_of, BLOCKS)


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in BLOCKS} == {"python", "console", "text"}


async def test_the_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with trio.fail_after(200):
        async with (
            tcp_server() as port,
            trio_rtc.open_media(video="pattern", audio="tone") as tracks,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(function("studio"), f"ws://127.0.0.1:{port}", tracks)
            async with trio_rtc.open_signaling(f"ws://127.0.0.1:{port}", name="me") as signaling:
                await signaling.wait_for_peer("studio")
            with contextlib.redirect_stdout(printed):
                await function("publish")(f"http://127.0.0.1:{port}/whip/studio")
                await function("watch")(f"http://127.0.0.1:{port}/whep/studio")
            nursery.cancel_scope.cancel()
    assert "connected to http://127.0.0.1" in printed.getvalue()
    assert "receiving video" in printed.getvalue()
    with av.open("studio-1.mkv") as file:
        assert {stream.type for stream in file.streams} == {"audio", "video"}


async def test_a_relay() -> None:
    async def publish(url: str, tracks: list[trio_rtc.MediaTrack]) -> None:
        async with trio_rtc.open_whip(url, tracks=tracks) as call:
            await call.wait_ended()

    with trio.fail_after(200):
        async with (
            tcp_server() as port,
            trio_rtc.open_media(video="pattern") as tracks,
            trio.open_nursery() as nursery,
        ):
            url = f"http://127.0.0.1:{port}"
            nursery.start_soon(function("relay_studio"), f"ws://127.0.0.1:{port}")
            async with trio_rtc.open_signaling(f"ws://127.0.0.1:{port}", name="me") as signaling:
                await signaling.wait_for_peer("studio")
            nursery.start_soon(publish, f"{url}/whip/studio", tracks)
            await until_published(f"{url}/whep/studio")
            nursery.cancel_scope.cancel()


def test_the_commands(tmp_path: Path) -> None:
    (block,) = (text for text in CONSOLES if "--relay" not in text)
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    port = str(free_port())
    script = "\n".join(lines).replace("8888", port)
    script = script.replace("trio-rtc client", f"trio-rtc client --server ws://127.0.0.1:{port}")
    # In one second on a busy machine not each of them has come.
    script = script.replace("view.mkv --seconds 1", "view.mkv --seconds 4")
    script = going_on_when_ready(script.replace("--hold 6", "--hold 60"))
    done = subprocess.run(
        ["bash", "-ec", f"trap 'kill $(jobs -p)' EXIT\n{script}"],
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
    assert "sending audio and video" in done.stdout
    assert "over: hung up" in done.stdout
    with av.open(str(tmp_path / "view.mkv")) as file:
        assert {stream.type for stream in file.streams} == {"audio", "video"}


def test_a_server_that_relays(tmp_path: Path) -> None:
    """Who types it sees when there is something to watch; here it is asked for again."""
    (block,) = (text for text in CONSOLES if "--relay" in text)
    lines = [line.removeprefix("$ ") for line in block.splitlines() if "sleep" not in line]
    server, publish, watch = "\n".join(lines).replace("8888", str(free_port())).splitlines()
    again = "until {}; do kill -0 $server; sleep 0.2; done"
    publish = again.format(publish.removesuffix(" &").replace("--seconds 6", "--seconds 60"))
    watch = again.format(watch.replace("--seconds 1", "--seconds 3"))
    script = f"{server}\nserver=$!\n{{ {publish} }} &\n{watch}"
    with subprocess.Popen(
        ["bash", "-ec", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            status = shell.wait(timeout=200)
        finally:
            # The server and the publisher go with it.
            os.killpg(shell.pid, signal.SIGTERM)
        assert shell.stdout is not None
        assert status == 0, shell.stdout.read()
    with av.open(str(tmp_path / "stage.mkv")) as file:
        # On a busy machine not each of them has come by then.
        assert {stream.type for stream in file.streams} & {"audio", "video"}
