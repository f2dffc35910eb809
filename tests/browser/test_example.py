"""The examples for the page are run as a newcomer would run them."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import av
import trio

from .browsers import open_house

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
EXAMPLE = EXAMPLES / "page_player.py"
FILTER = EXAMPLES / "video_filter.py"


async def test_page_player(chromium: str, tmp_path: Path) -> None:
    recording = tmp_path / "returned.webm"
    with trio.fail_after(200):
        async with open_house(chromium) as house, trio.open_nursery() as nursery:
            command = [sys.executable, str(EXAMPLE), "--server", house.ws_url, "--once"]
            command += ["--record", str(recording)]

            async def play() -> None:
                ran = await trio.run_process(command, capture_stdout=True)
                assert b"alice is watching" in ran.stdout
                assert b"recorded " in ran.stdout

            nursery.start_soon(play)
            alice = await house.visitor()
            await alice.signed_in("alice")
            await alice.choose("picture")
            await alice.call("player")
            await alice.until("messages().includes('This is film.webm.')")
            await alice.until("$('.remote video')?.videoWidth === 320")
            await alice.until("$('.remote video').currentTime > 2")
            await alice.click("#hang-up")
    with av.open(str(recording)) as film:
        assert {stream.type for stream in film.streams} == {"video", "audio"}
        assert sum(1 for _ in film.decode(video=0)) > 5


async def test_video_filter(chromium: str) -> None:
    """The page calls, and what the program adds to the call comes back to it."""
    with trio.fail_after(200):
        async with open_house(chromium) as house, trio.open_nursery() as nursery:
            command = [sys.executable, str(FILTER), "--server", house.ws_url]
            nursery.start_soon(partial(trio.run_process, command, stdout=subprocess.DEVNULL))
            alice = await house.visitor()
            await alice.signed_in("alice")
            await alice.choose("picture")
            await alice.call("filter")
            await alice.until("callState() === 'connected'")
            await alice.until("$('.remote video')?.videoWidth > 100")
            await alice.until("$('.remote video').currentTime > 1")
            # The first bar is nearly white here, and nearly black there.
            bright = """
                const canvas = document.createElement("canvas");
                const context = canvas.getContext("2d");
                context.drawImage($(selector), 0, 0, 100, 100);
                return context.getImageData(3, 30, 1, 1).data[1];
            """
            assert await alice.run(bright, selector="#self-video") > 180
            assert await alice.run(bright, selector=".remote video") < 75
            await alice.click("#hang-up")
            nursery.cancel_scope.cancel()
