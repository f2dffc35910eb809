"""PeerJS's pages in Firefox: with one in Chromium, and with Python."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from trio_rtc import open_media
from trio_rtc.peerjs import DataConnection, MediaConnection, open_peerjs, serve_peerjs

from ..browser.firefox import FirefoxPage, open_firefox_page
from .chromium import Page
from .pages import Stage, open_stage, sign_in
from .test_python_and_page import exchange, frames_of

CAMERA = "await navigator.mediaDevices.getUserMedia({audio: true, video: true})"


@asynccontextmanager
async def visiting(firefox: str, stage: Stage) -> AsyncIterator[FirefoxPage]:
    """Firefox, signed in as ``fox``."""
    async with open_firefox_page(firefox, f"{stage.url}/page") as page:
        assert await sign_in(page, "fox") == "fox"
        yield page


async def until_media(*pages: Page | FirefoxPage) -> None:
    for page in pages:
        width, height, kinds = await page.run("return dimensions(window.call)")
        assert width > 100
        assert height > 100
        assert kinds == ["audio", "video"]


@pytest.mark.parametrize("serialization", ["binary", "json", "raw"])
async def test_firefox_and_chromium_exchange_data(
    chromium: str, firefox: str, serialization: str
) -> None:
    async with open_stage(chromium) as stage, visiting(firefox, stage) as fox:
        alice = await stage.peer("alice")
        options: dict[str, Any] = {"serialization": serialization, "reliable": True}
        for caller, callee, name in ((alice, fox, "fox"), (fox, alice, "alice")):
            assert await caller.run(f"return connect({name!r}, options)", options=options)
            await callee.run("return until(() => connections.at(-1)?.open)")
            for sender, receiver in ((caller, callee), (callee, caller)):
                await receiver.run("received.length = 0")
                await sender.run("connections.at(-1).send('x'.repeat(15000))")
                size = await receiver.run(
                    "await until(() => received.length); return received[0].length"
                )
                assert size == 15_000
            await caller.run("connections.at(-1).close()")
            await callee.run("await until(() => connections.at(-1).wasClosed)")
        assert [await page.run("return errors") for page in (alice, fox)] == [[], []]


async def test_firefox_and_chromium_exchange_media(chromium: str, firefox: str) -> None:
    async with open_stage(chromium) as stage, visiting(firefox, stage) as fox:
        alice = await stage.peer("alice")
        for caller, callee, name in ((alice, fox, "fox"), (fox, alice, "alice")):
            await caller.run(f"window.call = peer.call({name!r}, {CAMERA})")
            await callee.run(
                f"await until(() => calls.length); window.call = calls.pop();"
                f"window.call.answer({CAMERA})"
            )
            await until_media(alice, fox)
            await caller.run("window.call.close()")
            await callee.run("await until(() => !window.call.open)")


@pytest.mark.parametrize("serialization", ["binary", "json", "raw"])
async def test_python_connects_to_firefox(chromium: str, firefox: str, serialization: str) -> None:
    async with (
        open_stage(chromium) as stage,
        visiting(firefox, stage) as fox,
        open_peerjs(f"{stage.url}/", "python") as peer,
    ):
        async with peer.connect("fox", serialization=serialization) as connection:
            await exchange(fox, connection, serialization)
        await fox.run("await until(() => connections[0].wasClosed)")
        assert await fox.run("return errors") == []


async def test_firefox_connects_to_python_and_calls_it(chromium: str, firefox: str) -> None:
    closed = trio.Event()

    async def handler(connection: DataConnection | MediaConnection) -> None:
        if isinstance(connection, DataConnection):
            async for value in connection:
                await connection.send(value)
            return
        assert await frames_of(connection) == {"audio", "video"}
        await connection.wait_closed()
        closed.set()

    async with (
        open_stage(chromium) as stage,
        visiting(firefox, stage) as fox,
        open_media(video="pattern", audio="tone") as tracks,
        open_peerjs(f"{stage.url}/", "python") as peer,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(lambda: serve_peerjs(handler, peer, tracks=tracks))
        assert await fox.run("return connect('python', {})")
        await fox.run("connections[0].send({a: [1, 'é']})")
        got = await fox.run("await until(() => received.length); return received[0]")
        assert got == {"a": [1, "é"]}
        await fox.run(f"window.call = peer.call('python', {CAMERA})")
        await until_media(fox)
        await fox.run("window.call.close()")
        await closed.wait()
        nursery.cancel_scope.cancel()
