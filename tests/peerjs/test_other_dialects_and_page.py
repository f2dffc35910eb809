"""Pages with PeerJS, and with simple-peer, and Python peers of our own protocols."""

from __future__ import annotations

import json

import pytest
import trio

from trio_rtc import Call, DataChannel, open_call, open_media, open_signaling, serve_calls
from trio_rtc.rtc import DataChannelEvent, IceCandidateEvent, PeerConnection, open_peer_connection
from trio_rtc.wire.messages import IceCandidate, SessionDescription, decode, encode

from .chromium import Page
from .pages import open_stage

SCHEMES = ["ws", "http"]


def address(url: str, scheme: str) -> str:
    return url.replace("http", scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_page_connects_to_a_peer_of_ours(chromium: str, scheme: str) -> None:
    async def echo(call: Call) -> None:
        async for channel in call.channels:
            async for message in channel:
                await channel.send(message)

    async with (
        open_stage(chromium) as stage,
        open_signaling(address(stage.url, scheme), name="python") as signaling,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(serve_calls, echo, signaling)
        page = await stage.peer("page")
        options = {"serialization": "raw", "reliable": True}
        assert await page.run("return connect('python', options)", options=options)
        await page.run("connections[0].send('there and back')")
        assert await page.run("await until(() => received.length); return received") == [
            "there and back"
        ]
        await page.run("connections[0].close()")
        # And once more: the first call is over.
        assert await page.run("return connect('python', options)", options=options)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_peer_of_ours_connects_to_a_page(chromium: str, scheme: str) -> None:
    async with (
        open_stage(chromium) as stage,
        open_signaling(address(stage.url, scheme), name="python") as signaling,
    ):
        page = await stage.peer("page")
        await signaling.wait_for_peer("page")
        async with open_call(signaling, "page") as call:
            channel: DataChannel = await call.open_channel("chat")
            async with channel:
                await channel.send("to the page")
                assert await page.run("await until(() => received.length); return received") == [
                    "to the page"
                ]
                await page.run("connections[0].send('to Python')")
                assert await channel.receive() == "to Python"
        await page.run("await until(() => connections[0].wasClosed)")
        assert await page.run("return [connections[0].peer, errors]") == ["python", []]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_media_between_a_page_and_a_peer_of_ours(chromium: str, scheme: str) -> None:
    async def watch(call: Call) -> None:
        async for track in call.tracks:
            async for _ in track:
                seen.add(track.kind)
                break
            if len(seen) == 2:
                await call.wait_ended()

    seen: set[str] = set()
    async with (
        open_stage(chromium) as stage,
        open_media(video="pattern", audio="tone") as tracks,
        open_signaling(address(stage.url, scheme), name="python") as signaling,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(lambda: serve_calls(watch, signaling, tracks=tracks))
        page = await stage.peer("page")
        await page.run(
            "const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});"
            "window.call = peer.call('python', stream)"
        )
        size = await page.run("return dimensions(call)")
        assert size == [640, 480, ["audio", "video"]]
        with trio.fail_after(20):
            while len(seen) < 2:  # noqa: ASYNC110
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()


async def test_simple_peer_in_a_page(chromium: str) -> None:
    """It brings no signaling of its own: here the test passes on what it says."""
    async with open_stage(chromium) as stage, open_peer_connection() as connection:
        page = await stage.page()
        await page.run(
            "window.said = [];"
            "window.simple = new SimplePeer({initiator: true});"
            "simple.on('signal', signal => said.push(signal));"
            "simple.on('data', data => received.push(new TextDecoder().decode(data)));"
        )
        async with trio.open_nursery() as nursery:
            arrived = trio.Event()
            channels: list[DataChannel] = []

            async def follow() -> None:
                async for event in connection:
                    if isinstance(event, IceCandidateEvent) and not event.candidate.is_end:
                        await tell(page, event.candidate)
                    elif isinstance(event, DataChannelEvent):
                        channels.append(event.channel)
                        arrived.set()

            nursery.start_soon(hear, page, connection)
            nursery.start_soon(follow)
            await arrived.wait()
            await channels[0].send("to the page")
            assert await page.run("await until(() => received.length); return received") == [
                "to the page"
            ]
            await page.run("simple.send('to Python')")
            message = await channels[0].receive()
            assert message in ("to Python", b"to Python")
            nursery.cancel_scope.cancel()


async def tell(page: Page, message: SessionDescription | IceCandidate) -> None:
    signal = json.loads(encode(message))
    if "candidate" in signal:
        signal = {"type": "candidate", "candidate": signal}
    await page.run("simple.signal(signal)", signal=signal)


async def hear(page: Page, connection: PeerConnection) -> None:
    """simple-peer's signals are what our decoder reads: ``{type, candidate: {…}}`` among them."""
    while True:
        signal = await page.run("return (await until(() => said.length && [said.shift()]))[0]")
        message = decode(json.dumps(signal).encode())
        if isinstance(message, SessionDescription):
            await connection.set_remote_description(message)
            await tell(page, await connection.set_local_description())
        else:
            assert isinstance(message, IceCandidate)
            await connection.add_ice_candidate(message)
