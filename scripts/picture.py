#!/usr/bin/env python3
"""Takes the picture of a call that the README and the start page show, on the server's own page.

    python scripts/picture.py

Two browsers call each other, as people do, and one of them is looked at. It wants Chromium.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import trio

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.browsers import Visitor, open_house  # noqa: E402
from tests.peerjs.chromium import running_chromium  # noqa: E402

PICTURES = {"call.png": "light", "call-dark.png": "dark"}
WIDTH, HEIGHT = 1200, 800


async def look(visitor: Visitor, theme: str, path: Path) -> None:
    await visitor.command(
        "Emulation.setDeviceMetricsOverride",
        width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    await visitor.command(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}]
    )
    await visitor.run("document.activeElement.blur(); scrollTo(0, 0)")
    await trio.sleep(1)
    picture = await visitor.command("Page.captureScreenshot")
    await trio.Path(path).write_bytes(base64.b64decode(picture["data"]))


async def main(chromium: str) -> None:
    async with open_house(chromium) as house:
        alice, bob = await house.visitor(), await house.visitor()
        await alice.signed_in("alice")
        await bob.signed_in("bob")
        await bob.choose("picture")
        await alice.choose("camera")
        await alice.call("bob")
        await bob.click("#answer-video")
        await alice.until("callState() === 'connected'")
        await alice.say("Hello, can you see me?")
        await bob.until("messages().length > 0")
        await bob.say("I can, and hear you too.")
        await alice.until("messages().length > 0")
        await alice.until("$('.remote video')?.currentTime > 3")
        for name, theme in PICTURES.items():
            await look(alice, theme, ROOT / "docs" / "assets" / name)
        await alice.click("#hang-up")


if __name__ == "__main__":
    with running_chromium() as address:
        trio.run(main, address)
