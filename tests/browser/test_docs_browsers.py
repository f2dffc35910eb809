"""What the documentation of browsers shows is run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio

import trio_rtc
from trio_rtc.server.http.responses import Response

from ..consoles import sleep_until_listening
from ..ports import free_port
from .browsers import open_house

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "browsers.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.S | re.M)
CONSOLES = [text for language, text in BLOCKS if language == "console"]


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in BLOCKS} == {"console", "html"}


@pytest.mark.parametrize("text", CONSOLES)
def test_consoles(text: str, tmp_path: Path) -> None:
    # Background commands of a script ignore SIGINT: the shell has to have job control.
    lines = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
    expected = [line for line in text.splitlines() if not line.startswith("$ ")]
    # Other tests run at the same time: the port may be theirs, and the start slow.
    port = free_port()
    script = f"set -m\n{sleep_until_listening(port)}\n" + (
        lines.replace("examples/", f"{ROOT}/examples/")
        .replace("8888", str(port))
        .replace("8889", str(port))
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-e", "-c", script],
        env={**os.environ, "PATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    printed = [
        line.strip()
        for line in ran.stdout.splitlines()
        if not line.startswith(("listening on", "call player"))
    ]
    assert printed == expected, ran.stderr


async def test_the_page_of_ones_own(chromium: str) -> None:
    (html,) = (text for language, text in BLOCKS if language == "html")
    routes = {"/own": lambda _: Response(200, "OK", html.encode(), "text/html")}
    with trio.fail_after(200):
        async with (
            open_house(chromium, routes=routes) as house,
            trio_rtc.open_signaling(house.ws_url, name="python") as signaling,
        ):
            await house.visitor(f"{house.url}/own")
            peer = await signaling.wait_for_peer("page")
            async with (
                trio_rtc.open_call(signaling, peer) as call,
                await call.open_channel("any") as channel,
            ):
                await channel.send("hello")
                assert await channel.receive() == "you said: hello"
