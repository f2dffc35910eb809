"""`trio-rtc publish` and `trio-rtc watch`, where something is wrong, and where programs read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import pytest
import trio

import trio_rtc

from ..rtc.media.pictures import picture
from ..server.harness import tcp_server

COMMAND = (sys.executable, "-m", "trio_rtc")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=200)


async def run_beside(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return await trio.run_process(
        [*COMMAND, *arguments], capture_stdout=True, capture_stderr=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("publish", "studio", "pattern"), 1, "'studio' is not the address of a WHIP or WHEP"),
        (("publish", "http://localhost:1/whip/x", "pattern"), 1, "no endpoint answers at"),
        (("publish", "http://localhost:1/whip/x", "nothing.mp4"), 1, "there is no media file"),
        (("watch", "http://localhost:1/whep/x"), 1, "no endpoint answers at"),
        (("watch", "http://localhost:1/whep/x", "--record", "/nowhere/x.mkv"), 1, "/nowhere"),
        (("watch", "https://localhost:1/whep/x", "--ca", "nothing.pem"), 2, "nothing.pem"),
    ],
)
def test_what_goes_wrong_is_one_line(arguments: tuple[str, ...], status: int, said: str) -> None:
    done = run(*arguments)
    assert done.returncode == status
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"trio-rtc {arguments[0]}: ")


async def test_a_file_is_sent_to_its_end(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mkv"), "w") as film:
        stream = film.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(45):
            film.mux(stream.encode(picture(5 * number)))
        film.mux(stream.encode(None))
    seen = 0

    async def answer(call: trio_rtc.Call) -> None:
        nonlocal seen
        async for track in call.tracks:
            assert track.kind == "video"
            async for _ in track:
                seen += 1

    with trio.fail_after(200):
        async with tcp_server() as port, trio.open_nursery() as nursery:
            url = f"ws://127.0.0.1:{port}"
            async with trio_rtc.open_signaling(url, name="studio") as signaling:
                nursery.start_soon(trio_rtc.serve_calls, answer, signaling)
                done = await run_beside(
                    "publish",
                    f"http://127.0.0.1:{port}/whip/studio",
                    str(tmp_path / "film.mkv"),
                    "--json",
                )
            nursery.cancel_scope.cancel()
    assert (done.returncode, done.stderr) == (0, b"")
    connected, ended = map(json.loads, done.stdout.splitlines())
    assert connected["event"] == "connected"
    assert connected["kinds"] == ["video"]
    assert connected["setup_ms"] > 0
    assert (ended["event"], ended["reason"]) == ("ended", "hung_up")
    # How many there are of 45 is a matter of the machine.
    assert seen
