"""A server that relays what is published to it, on a simulated network."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from av import AudioFrame

import trio_rtc
from trio_rtc.calls.call import Call
from trio_rtc.errors import SignalingError
from trio_rtc.relaying import relay_host
from trio_rtc.rtc import open_track
from trio_rtc.server.authorize import Admission, JoinRequest, shared_secret
from trio_rtc.server.counters import Statistics
from trio_rtc.signaling.http import open_http_client
from trio_rtc.testing import Network, SimulatedServer, start_signaling_server
from trio_rtc.whip import open_whep, open_whip
from trio_rtc.world import world

from ..calls.both_sides import next_track
from ..rtc.media.pictures import grey, tone, until_level
from ..server.dialects.test_whip import OFFER
from ..waiting import until
from .simulated import run

VANISHED = 40.0
"""Seconds after which one who says nothing any more is given up: consent has run out (RFC 7675)."""


SDP = {"Content-Type": "application/sdp"}


async def start_relay(network: Network, max_calls: int = 10, **options: Any) -> SimulatedServer:
    return await start_signaling_server(
        network, publishers=relay_host(max_calls=max_calls), **options
    )


async def open_client(server: SimulatedServer) -> httpx.AsyncClient:
    url = httpx.URL(server.classic_url)
    return await open_http_client(url, timeout=60, ssl_context=None)


def studio(server: SimulatedServer, protocol: str, name: str = "room/studio") -> str:
    return f"{server.classic_url}/{protocol}/{name}"


@asynccontextmanager
async def publishing(
    server: SimulatedServer, level: int, name: str = "room/studio", token: str | None = None
) -> AsyncIterator[Call]:
    async with (
        open_track("video", grey(level)) as track,
        open_whip(studio(server, "whip", name), tracks=[track], token=token) as call,
    ):
        yield call


async def watch(
    server: SimulatedServer, level: int, name: str = "room/studio", token: str | None = None
) -> None:
    """Watch, as soon as there is something, until it is seen."""
    async with watching(server, name, token) as call:
        await until_level(await next_track(call), level)


@asynccontextmanager
async def watching(
    server: SimulatedServer, name: str = "room/studio", token: str | None = None
) -> AsyncIterator[Call]:
    while True:
        try:
            async with open_whep(studio(server, "whep", name), token=token) as call:
                yield call
                return
        except SignalingError as error:
            if error.code not in ("no_place", "not_found"):
                raise
            await trio.sleep(0.5)


def test_who_publishes_is_seen_by_all_kinds_of_viewers() -> None:
    async def see(network: Network) -> None:
        counted = Statistics()
        server = await start_relay(network, statistics=counted)

        async def call_it() -> None:
            async with trio_rtc.open_signaling(server.url, name="carol", room="room") as signaling:
                await signaling.wait_for_peer("studio")
                while True:
                    try:
                        async with trio_rtc.open_call(signaling, "studio") as call:
                            await until_level(await next_track(call), 140)
                            return
                    except trio_rtc.CallError as error:
                        # There is nothing to be seen yet.
                        if error.code != "peer_hung_up":
                            raise
                        await trio.sleep(0.5)

        async def publish() -> None:
            async with publishing(server, 140), trio.open_nursery() as nursery:
                for name in ("bob", "dave"):
                    nursery.start_soon(network.host(name).run, partial(watch, server, 140))
                nursery.start_soon(network.host("carol").run, call_it)
            assert counted.joined == {
                "classic": 0, "native": 1, "peerjs": 0, "whip": 1, "whep": counted.joined["whep"],
                "hosted": 1,
            }  # fmt: skip

        await network.host("alice").run(publish)
        with trio.fail_after(5):
            await until(lambda: not any(counted.peers.values()))
        assert (counted.rooms, counted.memory_bytes) == (0, 0)

    run(see)


def test_the_calls_of_viewers_end_with_their_publisher_and_another_may_come() -> None:
    async def change(network: Network) -> None:
        server = await start_relay(network)
        alice, bob = network.host("alice"), network.host("bob")

        async def publish_for_ever(level: int) -> None:
            async with publishing(server, level) as call:
                await call.wait_ended()

        alice.start_soon(publish_for_ever, 140)

        async def watch_both() -> None:
            async with watching(server) as call:
                await until_level(await next_track(call), 140)
                with pytest.raises(SignalingError, match="has hung up") as raised:
                    async with publishing(server, 60):
                        pass
                assert raised.value.code == "no_place"
                # It says no DELETE.
                alice.crash()
                with trio.fail_after(VANISHED):
                    assert (await call.wait_ended()).reason == "connection_closed"
            with pytest.raises(SignalingError) as raised:
                async with open_whep(studio(server, "whep")):
                    pass
            assert raised.value.code == "not_found"
            async with publishing(server, 60) as published:
                await watch(server, 60)
                await published.hang_up()
            # The name is free as soon as its publisher has gone.
            async with publishing(server, 200):
                await watch(server, 200)

        await bob.run(watch_both)

    run(change)


def test_many_viewers_of_nothing_cost_nothing() -> None:
    async def ask(network: Network) -> None:
        counted = Statistics()
        server = await start_relay(network, statistics=counted)

        async def ask_often() -> None:
            http = await open_client(server)
            async with publishing(server, 140), http as client:
                await watch(server, 140)
                before = dict(counted.joined)
                for number in range(150):
                    answer = await client.post(
                        studio(server, "whep", f"room/nobody{number}"), content=OFFER, headers=SDP
                    )
                    assert answer.status_code == 404
                    assert answer.headers["retry-after"] == "2"
                assert counted.joined == before
                await watch(server, 140)

        await network.host("alice").run(ask_often)

    run(ask)


def test_there_are_so_many_calls_and_no_more() -> None:
    async def fill(network: Network) -> None:
        server = await start_relay(network, max_calls=2)

        async def publish() -> None:
            async with publishing(server, 140):
                async with watching(server) as call:
                    await until_level(await next_track(call), 140)
                    with pytest.raises(SignalingError) as raised:
                        async with open_whep(studio(server, "whep")):
                            pass
                    assert raised.value.code == "no_place"
                with pytest.raises(SignalingError, match="no place for another publisher"):
                    async with publishing(server, 60, "room/other"):
                        pass
                # Somebody has left.
                await watch(server, 140)

        await network.host("alice").run(publish)

    run(fill)


def test_who_may_not_join_neither_publishes_nor_watches() -> None:
    async def try_to(network: Network) -> None:
        counted = Statistics()
        server = await start_relay(network, authorize=shared_secret("sesame"), statistics=counted)

        async def publish() -> None:
            for token in (None, "open"):
                with pytest.raises(SignalingError) as raised:
                    async with publishing(server, 140, token=token):
                        pass
                assert raised.value.code in ("not_authorized", "forbidden")
            assert counted.joined["hosted"] == 0
            async with publishing(server, 140, token="sesame"):
                with pytest.raises(SignalingError) as raised:
                    async with open_whep(studio(server, "whep")):
                        pass
                assert raised.value.code == "not_authorized"
                await watch(server, 140, token="sesame")

        await network.host("alice").run(publish)

    run(try_to)


async def later(seconds: float) -> AsyncIterator[AudioFrame]:
    """A tone that begins after a while."""
    await trio.sleep(seconds)
    async for frame in tone():
        yield frame


@pytest.mark.parametrize(("seconds", "kinds"), [(1.0, {"audio", "video"}), (1e6, {"video"})])
def test_a_viewer_gets_what_comes_a_little_later(seconds: float, kinds: set[str]) -> None:
    """WHEP has no place for a track after the answer."""

    async def publish(network: Network) -> None:
        server = await start_relay(network)

        async def publish_both() -> None:
            async with (
                open_track("video", grey(140)) as pictures,
                open_track("audio", later(seconds)) as sound,
                open_whip(studio(server, "whip"), tracks=[pictures, sound]),
                watching(server) as call,
            ):
                found = set()
                with trio.move_on_after(5):
                    async for track in call.tracks:
                        await anext(aiter(track))
                        found.add(track.kind)
                assert found == kinds

        await network.host("alice").run(publish_both)

    run(publish)


async def brief_tokens(asked: JoinRequest) -> Admission:
    """Who has the token ``brief`` may stay for 10 s, and all others for ever."""
    until = world().time() + 10 if asked.token == "brief" else math.inf
    return Admission(name=asked.name, room=asked.room, until=until)


def test_a_token_that_expires_ends_the_calls_that_hang_on_it() -> None:
    async def expire(network: Network) -> None:
        server = await start_relay(network, authorize=brief_tokens)

        async def watch_three() -> None:
            async with publishing(server, 140), watching(server) as carol:
                async with watching(server, token="brief") as bob:
                    await until_level(await next_track(bob), 140)
                    with trio.fail_after(15):
                        assert (await bob.wait_ended()).reason == "connection_closed"
                assert carol.end is None
                await until_level(await next_track(carol), 140)
            async with publishing(server, 60, token="brief"), watching(server) as carol:
                await until_level(await next_track(carol), 60)
                with trio.fail_after(15):
                    assert (await carol.wait_ended()).reason == "connection_closed"
            async with publishing(server, 200):
                await watch(server, 200)

        await network.host("alice").run(watch_three)

    run(expire)


def test_a_peer_of_that_name_is_called_as_without_a_relay() -> None:
    async def publish_to(network: Network) -> None:
        server = await start_relay(network)
        taken = trio.Event()

        async def answer(call: Call) -> None:
            await until_level(await next_track(call), 140)
            taken.set()

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            async with trio_rtc.open_signaling(server.url, name="studio", room="room") as signaling:
                await trio_rtc.serve_calls(answer, signaling, task_status=task_status)

        await network.host("bob").start(serve)

        async def publish() -> None:
            async with publishing(server, 140):
                await taken.wait()

        await network.host("alice").run(publish)

    run(publish_to)


def test_a_server_that_ends_takes_its_calls_along() -> None:
    async def end(network: Network) -> None:
        server = await start_relay(network)

        async def publish() -> None:
            async with publishing(server, 140) as published, watching(server) as viewer:
                await until_level(await next_track(viewer), 140)
                await server.stop()
                for call in (published, viewer):
                    assert (await call.wait_ended()).reason == "connection_closed"

        await network.host("alice").run(publish)

    run(end)


def test_an_offer_that_nobody_can_take_leaves_nothing() -> None:
    async def offer(network: Network) -> None:
        counted = Statistics()
        server = await start_relay(network, statistics=counted)

        async def post() -> None:
            async with await open_client(server) as client:
                answer = await client.post(studio(server, "whip"), content=OFFER, headers=SDP)
                assert answer.status_code in (503, 504), answer.text
            with trio.fail_after(60):
                await until(lambda: not counted.peers["hosted"])

        await network.host("alice").run(post)

    run(offer)


def test_a_relay_of_one_call_is_none() -> None:
    with pytest.raises(ValueError, match="max_calls is 1"):
        relay_host(max_calls=1)
