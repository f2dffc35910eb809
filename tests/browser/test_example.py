"""The example that plays a film to the page is run as a newcomer would run it."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import trio

from .browsers import open_house

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "page_player.py"


async def test_page_player(chromium: str, tmp_path: Path) -> None:
    recording = tmp_path / "returned.webm"
    with trio.fail_after(90):
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
