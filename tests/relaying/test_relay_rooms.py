"""A studio: one sends by WHIP, many watch by WHEP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from trio_rtc.errors import SignalingError
from trio_rtc.relaying import serve_relay
from trio_rtc.rtc import open_track
from trio_rtc.signaling import open_signaling
from trio_rtc.whip import open_whep, open_whip

from ..calls.both_sides import next_track
from ..rtc.media.pictures import grey, until_level
from ..server.harness import tcp_server


@asynccontextmanager
async def open_relay_studio() -> AsyncIterator[str]:
    """A server with a relay; gives the URL of its studio, with a place for the protocol."""
    with trio.fail_after(120):
        async with (
            tcp_server() as port,
            open_signaling(f"ws://127.0.0.1:{port}", name="studio") as signaling,
            trio.open_nursery() as nursery,
        ):
            await nursery.start(serve_relay, signaling)
            yield f"http://127.0.0.1:{port}/{{}}/studio"
            nursery.cancel_scope.cancel()


async def until_watching(url: str, level: float) -> None:
    """Watch, as soon as there is something."""
    while True:
        try:
            async with open_whep(url) as call:
                await until_level(await next_track(call), level)
                return
        except SignalingError as error:
            if error.code != "no_place":
                raise
            await trio.sleep(0.1)


async def test_viewers_of_a_publisher() -> None:
    async with (
        open_relay_studio() as url,
        open_track("video", grey(140)) as first,
        open_track("video", grey(60)) as second,
    ):
        async with open_whip(url.format("whip"), tracks=[first]) as published:
            await until_watching(url.format("whep"), 140)
            async with (
                open_whep(url.format("whep")) as carol,
                open_whep(url.format("whep")) as dave,
            ):
                for viewer in (carol, dave):
                    await until_level(await next_track(viewer), 140)
                with pytest.raises(SignalingError, match="has hung up") as raised:
                    async with open_whip(url.format("whip"), tracks=[second]):
                        pass
                assert raised.value.code == "no_place"
                await published.hang_up()
                for viewer in (carol, dave):
                    # WHEP has no word for it: its end of the connection is closed.
                    assert (await viewer.wait_ended()).reason == "connection_closed"
        with pytest.raises(SignalingError, match="has hung up"):
            async with open_whep(url.format("whep")):
                pass
        # Another one may come when the first has left.
        async with open_whip(url.format("whip"), tracks=[second]):
            await until_watching(url.format("whep"), 60)
