"""Two people at the page call each other."""

from __future__ import annotations

import pytest
import trio

from .browsers import House, Visitor, open_house


async def two(house: House, **options: object) -> tuple[Visitor, Visitor]:
    alice, bob = await house.visitor(), await house.visitor()
    await alice.signed_in("alice", **options)
    await bob.signed_in("bob", **options)
    return alice, bob


@pytest.mark.parametrize("classic", [False, True], ids=["native", "classic"])
async def test_two_pages_call_each_other(chromium: str, classic: bool) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            alice, bob = await two(house, classic=classic)
            await alice.choose("picture")
            await bob.choose("camera")
            await alice.call("bob")
            await bob.until("!$('#incoming').hidden")
            if not classic:
                await bob.screenshot("incoming")
                await alice.screenshot("calling")
            await bob.click("#answer-video")
            await alice.until("callState() === 'connected'")
            for visitor in (alice, bob):
                await visitor.until("$('.remote video')?.videoWidth > 100")
            await alice.say("hello")
            await bob.until("messages().includes('hello')")
            await bob.say("hello yourself")
            await alice.until("messages().includes('hello yourself')")
            await alice.until("$('#stat-path').textContent.includes('host to')")
            await alice.until("$('#plot-in').getAttribute('d').length > 30")
            if not classic:
                # Enough of the plot to look at: it gets a point each second.
                await alice.until("$('#plot-in').getAttribute('d').split('L').length > 4")
                await alice.screenshot("call")
            await bob.click("#hang-up")
            await alice.until("notices().some((text) => text === 'bob has hung up.')")
            assert await alice.run("return callState()") == ""
            # What was said, and the files that have come, are there until the next call.
            assert await alice.run("return $('#chat').checkVisibility()")
            assert not await alice.run("return $('#chat-form').checkVisibility()")
            await alice.screenshot("ended")
            focused = "return document.activeElement.getAttribute('aria-label')"
            assert "Video with bob" in await alice.run(focused)
            assert alice.errors == bob.errors == []
