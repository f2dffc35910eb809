"""The page in Firefox, with Python and with a page in Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio

import trio_rtc
from trio_rtc import Call

from ..signaling.proxy import open_proxy
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
async def visiting(firefox: str, house: House, port: int | None = None) -> AsyncIterator[Visitor]:
    async with open_firefox_page(firefox, f"http://localhost:{port or house.port}/") as page:
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


#: Without a display there is none; this draws one.
SCREEN = """
const canvas = document.createElement("canvas");
const draw = () => canvas.getContext("2d").fillRect(0, 0, Math.random() * 300, 100);
navigator.mediaDevices.getDisplayMedia = async () => {
  setInterval(draw, 50);
  draw();
  return canvas.captureStream(30);
};
"""


async def test_firefox_shares_a_screen_in_the_middle_of_a_call(chromium: str, firefox: str) -> None:
    seen = Seen()
    connected = trio.Event()

    async def answer(call: Call) -> None:
        connected.set()
        await seen.watch(call)

    with trio.fail_after(90):
        async with (
            open_house(chromium) as house,
            answering(house, answer),
            visiting(firefox, house) as fox,
        ):
            await fox.signed_in("fox")
            await fox.choose("picture")
            await fox.call("python")
            await connected.wait()
            await fox.until("callState() === 'connected'")
            await seen.enough()
            tracks = seen.tracks
            await fox.run(SCREEN)
            await fox.click("#share")
            await fox.until("$('#share').textContent === 'Stop sharing'")
            while seen.tracks == tracks:
                await seen.changed.wait()
            await fox.click("#share")
            await fox.until("$('#share').textContent === 'Share screen'")
            assert await fox.run("return [callState(), notices()]") == ["connected", []]


async def test_firefox_that_is_loaded_again_ends_its_call(chromium: str, firefox: str) -> None:
    connected, calls = trio.open_memory_channel[Call](9)
    ended, ends = trio.open_memory_channel[trio_rtc.CallEnd](9)

    async def answer(call: Call) -> None:
        await connected.send(call)
        await ended.send(await call.wait_ended())

    with trio.fail_after(90):
        async with (
            open_house(chromium) as house,
            answering(house, answer),
            visiting(firefox, house) as fox,
        ):
            for _ in range(2):
                await fox.signed_in("fox")
                await fox.call("python")
                await calls.receive()
                await fox.until("callState() === 'connected'")
                await fox.reload()
                end = await ends.receive()
                assert (end.reason, end.detail) == ("peer_hung_up", "page_closed")


async def test_firefox_loses_its_signaling_in_a_call(chromium: str, firefox: str) -> None:
    async def answer(call: Call) -> None:
        async for channel in call.channels:
            async for message in channel:
                await channel.send(f"you said: {message!s}")

    with trio.fail_after(90):
        async with (
            open_house(chromium) as house,
            answering(house, answer),
            open_proxy(house.port) as (proxy, port),
            visiting(firefox, house, port) as fox,
        ):
            await fox.signed_in("fox")
            await fox.call("python")
            await fox.until("callState() === 'connected'")
            proxy.up = False
            proxy.cut()
            await fox.until("$('#status').dataset.state === 'reconnecting'")
            await fox.say("are you there?")
            await fox.until("messages().includes('you said: are you there?')")
            proxy.up = True
            await fox.until("$('#status').dataset.state === 'connected'")
            assert await fox.run("return callState()") == "connected"


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
                # To keep a file is not to leave the page.
                await receiver.click("#files a")
                assert await receiver.run("return callState()") == "connected"
                await sender.until("$('#files').textContent.includes('Sent numbers.bin')")
                await sender.run("$('#files').replaceChildren()")
                await receiver.run("$('#files').replaceChildren()")
