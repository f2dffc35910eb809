"""Python and the page call each other, over either protocol, in either browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import av
import pytest
import trio

import trio_rtc
from trio_rtc import Call, DataChannel

from ..signaling.proxy import open_proxy
from .browsers import House, Visitor, open_house, visiting

PROTOCOLS = pytest.mark.parametrize("classic", [False, True], ids=["native", "classic"])


class Seen:
    """What came to Python in one call."""

    def __init__(self) -> None:
        self.pictures: list[tuple[int, int]] = []
        self.samples = 0
        self.tracks = 0
        self.changed = trio.Event()

    async def watch(self, call: Call) -> None:
        async with trio.open_nursery() as nursery:
            async for track in call.tracks:
                self.tracks += 1
                nursery.start_soon(self._read, track)

    async def _read(self, track: trio_rtc.MediaTrack) -> None:
        async for frame in track:
            if isinstance(frame, av.VideoFrame):
                self.pictures.append((frame.width, frame.height))
            else:
                assert isinstance(frame, av.AudioFrame)
                self.samples += frame.samples
            self.changed.set()
            self.changed = trio.Event()

    async def enough(self, pictures: int = 5) -> None:
        """Wait until pictures and sound have come."""
        while len(self.pictures) < pictures or not self.samples:
            await self.changed.wait()


async def talk(channel: DataChannel, visitor: Visitor) -> None:
    """Text and bytes both ways."""
    await channel.send("hello from Python")
    await channel.send(b"\x00\x01\xff")
    await visitor.until("messages().includes('hello from Python')")
    await visitor.until("messages().includes('3 bytes: 00 01 ff')")
    await visitor.say("hello from the page")
    assert await channel.receive() == "hello from the page"


def where(house: House, *, classic: bool) -> str:
    return house.url if classic else house.ws_url


@PROTOCOLS
async def test_python_calls_the_page(
    chromium: str, maybe_firefox: str | None, classic: bool
) -> None:
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            visiting(house, maybe_firefox) as alice,
            trio_rtc.open_signaling(where(house, classic=classic), name="python") as signaling,
            trio_rtc.open_media(video="pattern", audio="tone") as tracks,
            trio.open_nursery() as nursery,
        ):
            await alice.signed_in("alice", classic=classic)
            nursery.start_soon(alice.click, "#answer-video")
            peer = await signaling.wait_for_peer("alice")
            async with trio_rtc.open_call(signaling, peer, tracks=tracks) as call:
                seen = Seen()
                async with trio.open_nursery() as watching:
                    watching.start_soon(seen.watch, call)
                    async with await call.open_channel("chat") as channel:
                        await talk(channel, alice)
                    await seen.enough()
                    await alice.until("$('.remote video')?.videoWidth > 100")
                    await alice.until("$('.remote video').currentTime > 0.3")
                    watching.cancel_scope.cancel()
                await call.hang_up("that was it")
            await alice.until("notices().includes('python has hung up. (that was it)')")
            await alice.until("callState() === ''")
            assert alice.errors == []


@asynccontextmanager
async def answering(
    house: House, handler: Callable[[Call], Awaitable[None]], *, classic: bool = False
) -> AsyncIterator[None]:
    """Python takes calls as "python", with picture and sound."""
    async with (
        trio_rtc.open_signaling(where(house, classic=classic), name="python") as signaling,
        trio_rtc.open_media(video="pattern", audio="tone") as tracks,
        trio.open_nursery() as nursery,
    ):

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await trio_rtc.serve_calls(handler, signaling, tracks=tracks, task_status=task_status)

        await nursery.start(serve)
        yield
        nursery.cancel_scope.cancel()


@PROTOCOLS
async def test_the_page_calls_python(
    chromium: str, maybe_firefox: str | None, classic: bool
) -> None:
    talked, over = trio.open_memory_channel[Seen](9)
    ended, ends = trio.open_memory_channel[trio_rtc.CallEnd](9)
    alice: Visitor

    async def answer(call: Call) -> None:
        seen = Seen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(seen.watch, call)
            await talk(await anext(call.channels), alice)
            await seen.enough()
            await talked.send(seen)
            await ended.send(await call.wait_ended())

    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            answering(house, answer, classic=classic),
            visiting(house, maybe_firefox) as alice,
        ):
            await alice.signed_in("alice", classic=classic)
            await alice.choose("picture")
            for _ in range(2):
                await alice.call("python")
                await over.receive()
                await alice.until("$('.remote video')?.currentTime > 0.3")
                await alice.click("#hang-up")
                assert (await ends.receive()).reason == "peer_hung_up"
            assert alice.errors == []


#: A browser without a display has no screen; this draws one.
SCREEN = """
const canvas = document.createElement("canvas");
const draw = () => canvas.getContext("2d").fillRect(0, 0, Math.random() * 300, 100);
navigator.mediaDevices.getDisplayMedia = async () => {
  setInterval(draw, 50);
  draw();
  return canvas.captureStream(30);
};
"""


async def test_a_screen_is_shared_in_the_middle_of_a_call(
    chromium: str, maybe_firefox: str | None
) -> None:
    seen = Seen()
    connected = trio.Event()

    async def answer(call: Call) -> None:
        connected.set()
        await seen.watch(call)

    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            answering(house, answer),
            visiting(house, maybe_firefox) as alice,
        ):
            if maybe_firefox is not None:
                await alice.run(SCREEN)
            await alice.signed_in("alice")
            await alice.call("python")
            await connected.wait()
            await alice.until("callState() === 'connected'")
            # A source that is chosen in the middle of the call, another one instead, and a screen.
            await alice.choose("picture")
            await seen.enough()
            await alice.choose("camera")
            while seen.pictures[-1] == (640, 360):
                await seen.changed.wait()
            tracks = seen.tracks
            await alice.click("#share")
            await alice.until("$('#share').textContent === 'Stop sharing'")
            while seen.tracks == tracks:
                await seen.changed.wait()
            await alice.click("#share")
            await alice.until("$('#share').textContent === 'Share screen'")
            assert await alice.run("return [callState(), notices()]") == ["connected", []]
            assert alice.errors == []


async def test_a_page_that_is_loaded_again_ends_its_call(
    chromium: str, maybe_firefox: str | None
) -> None:
    connected, calls = trio.open_memory_channel[Call](9)
    ended, ends = trio.open_memory_channel[trio_rtc.CallEnd](9)

    async def answer(call: Call) -> None:
        await connected.send(call)
        await ended.send(await call.wait_ended())

    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            answering(house, answer),
            visiting(house, maybe_firefox) as alice,
        ):
            for _ in range(2):
                await alice.signed_in("alice")
                await alice.call("python")
                await calls.receive()
                await alice.until("callState() === 'connected'")
                await alice.reload()
                end = await ends.receive()
                assert (end.reason, end.detail) == ("peer_hung_up", "page_closed")


async def test_a_call_outlives_the_signaling_of_the_page(
    chromium: str, maybe_firefox: str | None
) -> None:
    connected, calls = trio.open_memory_channel[Call](9)

    async def answer(call: Call) -> None:
        await connected.send(call)
        async for channel in call.channels:
            async for message in channel:
                await channel.send(f"you said: {message!s}")

    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            answering(house, answer),
            open_proxy(house.port) as (proxy, port),
            visiting(house, maybe_firefox, port) as alice,
        ):
            await alice.signed_in("alice")
            await alice.call("python")
            await calls.receive()
            await alice.until("callState() === 'connected'")
            proxy.up = False
            proxy.cut()
            await alice.until("$('#status').dataset.state === 'reconnecting'")
            await alice.screenshot("reconnecting")
            await alice.say("are you there?")
            await alice.until("messages().includes('you said: are you there?')")
            # What happens meanwhile is told when the session goes on.
            async with trio_rtc.open_signaling(house.ws_url, name="carol"):
                proxy.up = True
                await alice.until("$('#status').dataset.state === 'connected'")
                await alice.until("people().includes('carol')")
                assert await alice.run("return callState()") == "connected"
                await alice.choose("picture")
            assert alice.errors == []


LEAVE_WHILE_CONNECTING = """
const {openSignaling} = await import("/trio-rtc.js");
const signaling = await openSignaling(`ws://${location.host}/`, {name: "alice"});
const {WebSocket} = window;
window.WebSocket = class extends WebSocket {
  constructor(...values) {
    super(...values);
    queueMicrotask(() => signaling.close());
    this.addEventListener("close", () => (window.left = true));
  }
};
"""


async def test_a_session_is_given_up_while_its_connection_is_made(chromium: str) -> None:
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            open_proxy(house.port) as (proxy, port),
            trio_rtc.open_signaling(house.ws_url, name="python") as python,
        ):
            alice = await house.visitor(f"http://localhost:{port}/")
            await alice.run(LEAVE_WHILE_CONNECTING)
            await python.wait_for_peer("alice")
            proxy.cut()
            await alice.until("window.left")
            async for event in python:
                if isinstance(event, trio_rtc.PeerLeft):
                    break
            assert alice.errors == []
