"""WHIP and WHEP behind several servers: any request may go to any of them."""

from __future__ import annotations

import json

import pytest
import trio

from trio_rtc.server.cluster.cluster_settings import ClusterSettings

from ...redis_server import RedisProcess, needs_redis
from ..dialects.test_whip import ANSWER, HOST, OFFER, Camera, fragment, offered, say
from ..native_client import NativeClient, join
from .cluster_serving import hear, serving, until

pytestmark = needs_redis


async def answer(studio: NativeClient, seq: int) -> int:
    """Answer the next offer; the id of whom it is from."""
    offer = await offered(studio)
    assert offer["body"]["type"] == "offer"
    to: int = offer["from"]
    await say(studio, to, seq, {"type": "answer", "sdp": ANSWER})
    await say(studio, to, seq + 1, {"candidate": "", "sdpMid": "0"})
    return to


async def said(studio: NativeClient) -> str:
    message = await hear(studio, "message")
    data: str = message["data"]
    return data


@pytest.mark.parametrize("protocol", ["whip", "whep"])
async def test_each_request_goes_to_another_server(
    cluster: ClusterSettings, shared_redis: RedisProcess, protocol: str
) -> None:
    async with serving(cluster, 3) as servers, trio.open_nursery() as nursery:
        studio = await join(servers[0], "studio")
        # Nobody else of the room is on this one.
        camera = Camera(servers[1], f"/{protocol}/studio")
        posted = await camera.post()
        id_ = await answer(studio, 1)
        assert (camera.opened(await posted.answer())).body.startswith(b"v=0\r\n")
        await posted.stream.aclose()
        state = f"{cluster.prefix}:1:s:{id_}"
        before = shared_redis.ask("HGET", state, "o")

        camera.server = servers[2]
        patched = await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag)
        assert patched.status == 204, patched
        assert json.loads(await said(studio))["candidate"] == HOST
        assert shared_redis.ask("HGET", state, "o") != before

        camera.server = servers[0]
        nursery.start_soon(answer, studio, 3)
        with trio.fail_after(30):
            restarted = await camera.ask(
                "PATCH", fragment(HOST, ufrag="fresh0", password="f" * 24), If_Match="*"
            )
        assert (restarted.status, restarted.header("ETag")) == (200, '"2"'), restarted

        camera.server = servers[1]
        late = await camera.ask("PATCH", fragment(HOST), If_Match='"1"')
        assert (late.status, late.header("ETag")) == (412, '"2"')
        assert (await camera.ask("DELETE")).status == 200
        assert await said(studio) == "BYE"
        assert (await hear(studio, "left"))["id"] == id_
        for server in servers:
            camera.server = server
            assert (await camera.ask("DELETE")).status == 404
            await until(lambda server=server: server.statistics.peers[protocol] == 0)
        assert shared_redis.ask("EXISTS", state) == "0"
        assert [server.statistics.failures for server in servers] == [0, 0, 0]


async def test_nobody_is_called_so_anywhere(cluster: ClusterSettings) -> None:
    async with serving(cluster, 2) as servers:
        studio = await join(servers[0], "studio", room="elsewhere")
        camera = Camera(servers[1])
        posted = await camera.post()
        refused = await posted.answer()
        assert refused is not None
        assert refused.status == 404
        assert await studio.hear_all() == []
        camera = Camera(servers[1], "/whip/elsewhere/studio")
        posted = await camera.post()
        assert (await offered(studio))["body"]["sdp"] == OFFER
        await posted.stream.aclose()
