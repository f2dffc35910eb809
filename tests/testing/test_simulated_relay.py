"""A studio on a simulated network: a publisher that vanishes, and viewers who lose packets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trio_rtc.calls.call import Call
from trio_rtc.errors import SignalingError
from trio_rtc.relaying import serve_relay
from trio_rtc.rtc import open_track
from trio_rtc.signaling import open_signaling
from trio_rtc.testing import Network, start_signaling_server
from trio_rtc.whip import open_whep, open_whip

from ..calls.both_sides import next_track
from ..rtc.media.pictures import grey, until_level
from .simulated import run

VANISHED = 40.0
"""Seconds after which one who says nothing any more is given up: consent has run out (RFC 7675)."""


@asynccontextmanager
async def open_studio(network: Network) -> AsyncIterator[str]:
    """A server, and a relay; gives the URL of its studio, with a place for the protocol."""
    server = await start_signaling_server(network)
    studio = network.host("studio")

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        async with open_signaling(server.url, name="studio") as signaling:
            await serve_relay(signaling, task_status=task_status)

    await studio.start(serve)
    yield server.classic_url + "/{}/studio"


async def publish(url: str, level: int) -> None:
    """Send grey of a level for ever; goes on as soon as there is a place."""
    async with open_track("video", grey(level)) as track:
        while True:
            try:
                async with open_whip(url.format("whip"), tracks=[track]) as call:
                    await call.wait_ended()
            except SignalingError as error:
                if error.code != "no_place":
                    raise
                await trio.sleep(1)


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Call]:
    """Watch, as soon as there is something."""
    while True:
        try:
            async with open_whep(url.format("whep")) as call:
                yield call
                return
        except SignalingError as error:
            if error.code != "no_place":
                raise
            await trio.sleep(0.5)


def test_a_publisher_that_vanishes_makes_place() -> None:
    async def vanish(network: Network) -> None:
        async with open_studio(network) as url:
            alice, bob = network.host("alice"), network.host("bob")
            alice.start_soon(publish, url, 140)

            async def watch_both() -> None:
                async with watching(url) as call:
                    await until_level(await next_track(call), 140)
                    alice.crash()
                    with trio.fail_after(VANISHED):
                        end = await call.wait_ended()
                    assert end.reason == "connection_closed"
                # Nobody has said DELETE, and the next one has the studio.
                network.host("carol").start_soon(publish, url, 60)
                async with watching(url) as call:
                    await until_level(await next_track(call), 60)

            await bob.run(watch_both)

    run(vanish)


def test_a_viewer_loses_its_own_packets_alone() -> None:
    async def lose(network: Network) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        async with open_studio(network) as url:
            network.host("alice").start_soon(publish, url, 140)

            async def watch(name: str) -> None:
                async with watching(url) as call:
                    track = await next_track(call)
                    seen = 0
                    async for _ in track:
                        seen += 1
                        if seen == 150:
                            break
                    [stats] = (await call.stats()).tracks
                    found[name] = (stats.packets, stats.packets_lost)

            async with trio.open_nursery() as nursery:
                for name, loss in (("bob", 0.0), ("carol", 0.1)):
                    host = network.host(name)
                    host.set_link(up=False, loss=loss)
                    nursery.start_soon(host.run, watch, name)
        return found

    found = run(lose)
    # What is lost is sent again, and told by none of the figures of what came.
    assert found["bob"][1] == 0
    received, lost = found["carol"]
    assert 5 < lost < 40
    assert received + lost >= 150
