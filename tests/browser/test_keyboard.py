"""The page by keyboard alone: everything is reached, seen to be reached, and pressed."""

from __future__ import annotations

from typing import Final

import trio

from .browsers import Visitor, open_house

#: What a key is to the browser: its virtual code, and what it types.
KEYS: Final = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " ")}

#: More than there are places on the way from one end of the page to the other.
MOST_STEPS = 60

FOCUS = """
const at = document.activeElement;
const style = getComputedStyle(at);
return {
  there: at.matches(selector),
  shown: at === document.body || at.checkVisibility(),
  marked: at === document.body || at.matches(":focus-visible")
    && (style.outlineStyle !== "none" || style.boxShadow !== "none"),
  what: at.outerHTML.slice(0, 120),
};
"""


async def press(visitor: Visitor, key: str) -> None:
    code, text = KEYS[key]
    for kind in ("keyDown", "keyUp"):
        await visitor.command(
            "Input.dispatchKeyEvent",
            type=kind, key=key, windowsVirtualKeyCode=code, text=text if kind == "keyDown" else "",
        )  # fmt: skip


async def write(visitor: Visitor, text: str) -> None:
    await visitor.command("Input.insertText", text=text)


async def go_to(visitor: Visitor, selector: str) -> None:
    """Press Tab until it is there. Each place on the way is seen, and seen to be the one."""
    for _ in range(MOST_STEPS):
        focus = await visitor.run(FOCUS, selector=selector)
        assert focus["shown"], focus
        if focus["there"]:
            assert focus["marked"], focus
            return
        await press(visitor, "Tab")
    raise AssertionError(f"{selector} cannot be reached")


async def by_keyboard(visitor: Visitor, selector: str, key: str = "Enter") -> None:
    """Wait until this can be used, go there, and press it."""
    await visitor.until(f"$('{selector}')?.checkVisibility() && !$('{selector}').disabled")
    await go_to(visitor, selector)
    await press(visitor, key)


async def test_a_call_from_its_beginning_to_its_end(chromium: str) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            alice, bob = await house.visitor(), await house.visitor()
            for visitor in (alice, bob):
                await visitor.command("Emulation.setFocusEmulationEnabled", enabled=True)
            await go_to(alice, "[name=name]")
            await alice.run("document.activeElement.select()")
            await write(alice, "alice")
            await press(alice, "Enter")
            await alice.until("document.body.dataset.view === 'room'")
            await bob.signed_in("bob")
            await by_keyboard(alice, "#peers [data-way=chat]")
            await bob.until("!$('#incoming').hidden")
            # Who is called is where the answer is.
            assert (await bob.run(FOCUS, selector="#answer"))["there"]
            await press(bob, "Enter")
            for visitor in (alice, bob):
                await visitor.until("callState() === 'connected'")
            await by_keyboard(alice, "#chat-text", " ")
            await write(alice, "hello at https://example.org/a.")
            await press(alice, "Enter")
            await bob.until("messages().some((one) => one.includes('hello at https'))")
            # What looks like a link is one, out of the page.
            await go_to(bob, '#messages a[href="https://example.org/a"][rel~=noopener]')
            await go_to(bob, "#file")
            await by_keyboard(bob, "#hang-up", " ")
            for visitor in (alice, bob):
                await visitor.until("callState() === ''")
            # Where the focus was is gone; the way goes on all the same.
            await by_keyboard(alice, "#peers [data-way=chat]")
            await by_keyboard(bob, "#decline", " ")
            await alice.until("callState() === ''")
            await by_keyboard(bob, "#sign-out")
            await bob.until("document.body.dataset.view !== 'room'")
            assert alice.errors == bob.errors == []
