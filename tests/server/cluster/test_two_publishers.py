"""Two send by WHIP under one name, each over a server of its own: there is one peer for them."""

from __future__ import annotations

import trio.testing

from trio_rtc.server.dialects.hosted.hosted_peer import HostedPeer, PeerHost
from trio_rtc.server.hub.mail import Relayed

from ..dialects.test_whip import post
from .held_redis import HeldRedis, two_servers


async def test_the_second_one_calls_the_peer_of_the_first(held_redis: HeldRedis) -> None:
    callers: dict[int, list[int]] = {}

    async def take_calls(peer: HostedPeer) -> None:
        callers[peer.member.id] = []
        while (mail := await peer.receive()) is not None:
            if isinstance(mail, Relayed):
                callers[peer.member.id].append(mail.sender)

    publishers = PeerHost(program=take_calls, max_peers=10)
    async with two_servers(publishers=publishers) as (one, other):
        cameras = [await one.connect(), await other.connect()]
        held_redis.is_held = True
        for camera in cameras:
            await camera.send(post("/whip/room/studio"))
        # Neither finds anybody of this name: both ask for one.
        for operation in ("f", "m", "j"):
            for server in ("one", "other"):
                await held_redis.do(server, operation)
        held_redis.let_go()
        await trio.testing.wait_all_tasks_blocked()
        names = [session.name for session in held_redis.model.sessions.values()]
        assert names.count(b"studio") == 1
        ((_, calling),) = callers.items()
        assert len(set(calling)) == 2
        for camera in cameras:
            await camera.stream.aclose()
