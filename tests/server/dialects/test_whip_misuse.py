"""WHIP and WHEP used as nobody should: a status with a sentence, and the room goes on."""

from __future__ import annotations

import time

import jwt
import pytest
import trio
import trio.testing

from tests.server.harness import memory_server
from tests.server.native_client import join, serves
from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import jwt_tokens

from .test_whip import ANSWER, HOST, Camera, call, fragment, offered, post, say


async def test_two_posts_are_two_sessions(autojump_clock: trio.testing.MockClock) -> None:
    """As from a client that has not had the answer to its first one."""
    async with memory_server() as server:
        studio = await join(server, "studio")
        cameras = [Camera(server), Camera(server)]
        clients = [await camera.post() for camera in cameras]
        offers = [await offered(studio) for _ in cameras]
        assert offers[0]["from"] != offers[1]["from"]
        for seq, (camera, client, offer) in enumerate(
            zip(cameras, clients, offers, strict=True), 1
        ):
            await say(studio, offer["from"], seq, {"type": "answer", "sdp": ANSWER})
            camera.opened(await client.answer())
        assert cameras[0].url != cameras[1].url
        assert server.statistics.peers["whip"] == 2
        # The end of one is none of the other, nor are its candidates.
        assert (await cameras[0].ask("DELETE")).status == 200
        gone = await cameras[0].ask("DELETE")
        assert (gone.status, gone.body) == (404, b"There is no such session, or no more.")
        other = await cameras[1].ask("PATCH", fragment(HOST), If_Match=cameras[1].etag)
        assert other.status == 204


async def test_a_session_is_of_its_endpoint(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server, call(server) as (camera, _, _):
        key = camera.url.rpartition("/")[2]
        elsewhere = Camera(server)
        elsewhere.url = f"/whep/studio/{key}"
        gone = await elsewhere.ask("DELETE")
        assert (gone.status, gone.body) == (404, b"There is no such session, or no more.")
        assert (await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag)).status == 204


async def test_a_viewer_before_its_publisher(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        early = await server.ask(post("/whep/studio"))
        assert (early.status, early.header("Retry-After")) == (404, "2")
        assert early.body == b"Nobody is called 'studio' there."
        async with call(server, "/whep/studio") as (viewer, _, _):
            assert (await viewer.ask("DELETE")).status == 200


async def test_1000_viewers_of_nothing(autojump_clock: trio.testing.MockClock) -> None:
    limits = ServerLimits(peers=10)
    async with memory_server(limits=limits) as server, call(server) as (camera, studio, id_):
        before = server.statistics.memory_bytes
        statuses: list[int] = []

        async def view(number: int) -> None:
            answer = await server.ask(post(f"/whep/nobody-{number % 7}"))
            assert answer.body.endswith(b" there.")
            statuses.append(answer.status)

        for begin in range(0, 1000, 50):
            async with trio.open_nursery() as nursery:
                for number in range(begin, begin + 50):
                    nursery.start_soon(view, number)
        assert statuses == [404] * 1000
        assert server.statistics.memory_bytes == before
        assert server.statistics.joined["whep"] == 0
        # Whoever is in the room has heard nothing of them, and goes on.
        assert await studio.hear_all() == []
        assert (await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag)).status == 204
        assert (await offered(studio))["from"] == id_
        await serves(server)


async def test_a_token_that_expires_ends_its_session_alone(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, now = "k" * 32, time.time()
    tokens = [
        jwt.encode({"exp": now + seconds, "name": name, "room": "air"}, key)
        for seconds, name in [(100, "short"), (10_000, "long"), (10_000, "studio")]
    ]
    async with memory_server(authorize=jwt_tokens(key, ["HS256"])) as server:
        studio = await join(server, "studio", room="air", token=tokens[2])
        cameras = []
        for seq, token in enumerate(tokens[:2], 1):
            camera = Camera(server, "/whip/air/studio")
            client = await camera.post(Authorization=f"Bearer {token}")
            offer = await offered(studio)
            await say(studio, offer["from"], seq, {"type": "answer", "sdp": ANSWER})
            camera.opened(await client.answer())
            cameras.append(camera)
        monkeypatch.setattr(time, "time", lambda: now + 101)
        await trio.sleep(5)
        answers = [
            await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag) for camera in cameras
        ]
        assert [answer.status for answer in answers] == [404, 204]
        assert answers[0].body == b"There is no such session, or no more."
