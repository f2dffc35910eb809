"""A page in Firefox and a page in Chromium."""

from __future__ import annotations

import trio

from .browsers import open_house, visiting


async def test_firefox_and_chromium_send_files(chromium: str, firefox: str) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house, visiting(house, firefox) as fox:
            alice = await house.visitor()
            await alice.signed_in("alice")
            await fox.signed_in("fox")
            await fox.choose("picture")
            await alice.call("fox")
            await fox.click("#answer-video")
            await alice.until("callState() === 'connected'")
            await alice.until("$('.remote video')?.videoWidth > 100")
            for visitor in (alice, fox):
                await visitor.run(
                    """
                    window.made = [];
                    const make = URL.createObjectURL;
                    URL.createObjectURL = (blob) => (made.push(blob), make.call(URL, blob));
                    """
                )
            for sender, receiver in [(alice, fox), (fox, alice)]:
                await sender.run(
                    """
                    const content = Uint8Array.from({length: 300_001}, (_, i) => i * 7 % 251);
                    const files = new DataTransfer();
                    files.items.add(new File([content], "numbers.bin"));
                    $("#file").files = files.files;
                    $("#file").dispatchEvent(new Event("change"));
                    """
                )
                await receiver.until("$('#files a')")
                came = await receiver.run(
                    """
                    const content = new Uint8Array(await window.made.pop().arrayBuffer());
                    const whole = content.every((byte, i) => byte === i * 7 % 251);
                    return [$("#files a").download, $("#files a").textContent, whole];
                    """
                )
                assert came == ["numbers.bin", "numbers.bin, 300.0 kB", True]
                # To keep a file is not to leave the page.
                await receiver.click("#files a")
                assert await receiver.run("return callState()") == "connected"
                await sender.until("$('#files').textContent.includes('Sent numbers.bin')")
                await sender.run("$('#files').replaceChildren()")
                await receiver.run("$('#files').replaceChildren()")
