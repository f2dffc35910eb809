"""The page as axe-core sees it, which knows the rules of WCAG, in each of its states."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import trio

from ..node import PACKAGES
from .browsers import Visitor, open_house

AXE = PACKAGES / "axe-core/axe.min.js"

#: The sizes and themes in which a person may have the page.
WIDTHS = (1280, 390)
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists() and "CI" not in os.environ:
        pytest.skip("axe-core is not installed (npm install --prefix tests/browser)")
    return AXE.read_text()


async def faults(visitor: Visitor, axe: str) -> list[dict[str, Any]]:
    """What is wrong with the page as it is now, with where."""
    if not await visitor.run("return Boolean(window.axe)"):
        await visitor.run(axe)
    found = []
    for width in WIDTHS:
        await visitor.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=844, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        for theme in THEMES:
            await visitor.command(
                "Emulation.setEmulatedMedia",
                features=[{"name": "prefers-color-scheme", "value": theme}],
            )
            found += await visitor.run(
                """
                await new Promise(requestAnimationFrame);
                const {violations} = await axe.run({resultTypes: ["violations"]});
                return violations.map(({id, help, nodes}) => (
                  {where, id, help, nodes: nodes.map(({html, failureSummary}) => (
                    {html, failureSummary}))}));
                """,
                where=f"{width} {theme}",
            )
    await visitor.command("Emulation.clearDeviceMetricsOverride")
    return found


async def check(visitor: Visitor, axe: str, state: str) -> None:
    found = await faults(visitor, axe)
    assert not found, f"{state}:\n{json.dumps(found, indent=1)}"


async def test_every_state_of_the_page(chromium: str, axe: str) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            alice, bob = await house.visitor(), await house.visitor()
            await check(alice, axe, "signing in")
            await alice.signed_in("alice")
            await check(alice, axe, "alone")
            await alice.run("$('#devices').open = true")
            await alice.click("#test")
            await alice.until("$('#test-video').videoWidth > 100")
            await alice.click("#invite-private")
            await check(alice, axe, "trying devices, with a private invitation")
            await alice.click("#without-code")
            await alice.run("$('#devices').open = false")
            await bob.signed_in("bob")
            await alice.choose("picture")
            await alice.call("bob")
            await bob.until("!$('#incoming').hidden")
            await check(alice, axe, "calling")
            await check(bob, axe, "being called")
            await bob.click("#answer")
            for visitor in (alice, bob):
                await visitor.until("callState() === 'connected'")
            await bob.until("$('.remote video')?.videoWidth > 100")
            await alice.say("hello")
            await bob.until("messages().includes('hello')")
            await alice.run(
                """
                const files = new DataTransfer();
                files.items.add(new File(["content"], "file.txt"));
                $("#file").files = files.files;
                $("#file").dispatchEvent(new Event("change"));
                """
            )
            await bob.until("$('#files a')")
            await alice.click("#mute")
            await alice.click("#share")
            await alice.until("$('#share').textContent === 'Stop sharing'")
            await check(alice, axe, "in a call, muted and sharing")
            await check(bob, axe, "in a call, with a message and a file")
            await bob.click("#hang-up")
            await alice.until("callState() === ''")
            await check(alice, axe, "after the call, with a notice")
            house.stop_server()
            await alice.until("$('#status').dataset.state === 'reconnecting'")
            await check(alice, axe, "without its server")
            assert alice.errors == bob.errors == []
