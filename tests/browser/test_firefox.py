"""The page in Firefox, with Python and with a page in Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio

import trio_rtc
from trio_rtc import Call

from .browsers import HELPERS, House, Visitor, open_house
from .firefox import MISSING, open_firefox_page, running_firefox
from .test_python_and_page import PROTOCOLS, Seen, answering, talk, where


@pytest.fixture
def firefox() -> Iterator[str]:
    if MISSING:
        pytest.skip(MISSING)
    with running_firefox() as address:
        yield address


@asynccontextmanager
async def visiting(firefox: str, house: House) -> AsyncIterator[Visitor]:
    async with open_firefox_page(firefox, f"{house.url}/") as page:
        visitor = Visitor(None, page)
        await visitor.run(HELPERS)
        yield visitor


@PROTOCOLS
async def test_python_calls_firefox(chromium: str, firefox: str, classic: bool) -> None:
    with trio.fail_after(90):
        async with (
            open_house(chromium) as house,
            visiting(firefox, house) as fox,
            trio_rtc.open_signaling(where(house, classic=classic), name="python") as signaling,
            trio_rtc.open_media(video="pattern", audio="tone") as tracks,
        ):
            await fox.signed_in("fox", classic=classic)
            await fox.choose("camera")
            peer = await signaling.wait_for_peer("fox")
            async with trio.open_nursery() as nursery:
                answered = trio.Event()

                async def answer() -> None:
                    await fox.click("#answer")
                    answered.set()

                nursery.start_soon(answer)
                async with trio_rtc.open_call(signaling, peer, tracks=tracks) as call:
                    # One script at a time runs in the page.
                    await answered.wait()
                    seen = Seen()
                    async with trio.open_nursery() as watching:
                        watching.start_soon(seen.watch, call)
                        async with await call.open_channel("chat") as channel:
                            await talk(channel, fox)
                        await seen.enough()
                        await fox.until("$('.remote video')?.videoWidth > 100")
                        watching.cancel_scope.cancel()
            await fox.until("callState() === ''")


async def test_firefox_calls_python(chromium: str, firefox: str) -> None:
    talked, over = trio.open_memory_channel[None](9)
    ended, ends = trio.open_memory_channel[trio_rtc.CallEnd](9)
    fox: Visitor

    async def answer(call: Call) -> None:
        seen = Seen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(seen.watch, call)
            await talk(await anext(call.channels), fox)
            await seen.enough()
            await talked.send(None)
            await ended.send(await call.wait_ended())

    with trio.fail_after(90):
        async with (
            open_house(chromium) as house,
            answering(house, answer),
            visiting(firefox, house) as fox,
        ):
            await fox.signed_in("fox")
            await fox.choose("picture")
            for _ in range(2):
                await fox.call("python")
                await over.receive()
                await fox.click("#hang-up")
                assert (await ends.receive()).reason == "peer_hung_up"


async def test_firefox_and_chromium_send_files(chromium: str, firefox: str) -> None:
    with trio.fail_after(90):
        async with open_house(chromium) as house, visiting(firefox, house) as fox:
            alice = await house.visitor()
            await alice.signed_in("alice")
            await fox.signed_in("fox")
            await fox.choose("picture")
            await alice.call("fox")
            await fox.click("#answer")
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
                await sender.until("$('#files').textContent.includes('Sent numbers.bin')")
                await sender.run("$('#files').replaceChildren()")
                await receiver.run("$('#files').replaceChildren()")
