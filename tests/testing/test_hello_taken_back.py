"""Whoever gives up while it is let in leaves nothing behind: nobody sees it for long."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import trio

import trio_rtc
from trio_rtc.server.authorize import Admission, JoinRequest
from trio_rtc.server.cluster import cluster_server
from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import RedisAddress
from trio_rtc.server.limits import ServerLimits
from trio_rtc.signaling import reconnecting
from trio_rtc.testing import Network, start_signaling_server

from ..server.cluster.model_redis import ModelRedis
from .simulated import URL, run

SLOW = 5.0
LIMITS = ServerLimits()


async def slowly(asked: JoinRequest) -> Admission:
    """Bob is let in late."""
    if asked.name == "bob":
        await trio.sleep(SLOW)
    return Admission(name=asked.name, room=asked.room)


async def cancelled() -> None:
    with trio.move_on_after(SLOW / 2):
        async with trio_rtc.open_signaling(URL, name="bob"):
            raise AssertionError("nobody is let in so soon")


async def impatient() -> None:
    with pytest.raises(trio_rtc.SignalingError):
        async with trio_rtc.open_signaling(URL, name="bob"):
            raise AssertionError("nobody is let in so soon")


@pytest.mark.parametrize("give_up", [cancelled, impatient])
@pytest.mark.parametrize("engine", ["one process", "cluster"])
def test_a_hello_that_is_taken_back_leaves_nobody(
    give_up: Callable[[], Any], engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if give_up is impatient:
        monkeypatch.setattr(reconnecting, "ANSWER_SECONDS", SLOW / 2)
    opened: Callable[..., AbstractAsyncContextManager[Any]] = ModelRedis().open
    monkeypatch.setattr(cluster_server, "open_redis", opened)
    redis = ClusterSettings(redis=RedisAddress(unix_socket="redis"))

    async def main(network: Network) -> None:
        cluster = redis if engine == "cluster" else None
        await start_signaling_server(network, authorize=slowly, cluster=cluster)
        alice, bob = network.host("alice"), network.host("bob")

        async def watch() -> None:
            async with trio_rtc.open_signaling(URL, name="alice") as signaling:
                bob.start_soon(give_up)
                came, went = await anext(signaling), await anext(signaling)
                assert isinstance(came, trio_rtc.PeerJoined)
                assert isinstance(went, trio_rtc.PeerLeft)
                assert trio.current_time() - began < SLOW + 1

        began = trio.current_time()
        await alice.run(watch)
        network.nursery.cancel_scope.cancel()

    run(main)


def test_a_session_whose_welcome_did_not_arrive_leaves_when_it_is_given_up() -> None:
    """Whoever has moved signs in anew; the server learns only from silence that it is gone."""

    async def main(network: Network) -> None:
        await start_signaling_server(network, authorize=slowly)
        alice, bob = network.host("alice"), network.host("bob")
        received = trio.Event()

        async def sign_in() -> None:
            async with trio_rtc.open_signaling(URL, name="bob") as signaling:
                async for event in signaling:
                    if isinstance(event, trio_rtc.MessageReceived):
                        assert event.data == b"for the second"
                        received.set()

        async def watch() -> None:
            async with trio_rtc.open_signaling(URL, name="alice") as signaling:
                bob.start_soon(sign_in)
                await trio.sleep(SLOW / 2)
                bob.move()
                first = await anext(signaling)
                assert isinstance(first, trio_rtc.PeerJoined)
                await signaling.send("bob", "for the first")
                second = await anext(signaling)
                assert isinstance(second, trio_rtc.PeerJoined)
                await signaling.send("bob", "for the second")
                await received.wait()
                # Nothing says that the message has failed: all that was on its way has.
                assert await anext(signaling) == trio_rtc.PeerLeft(first.peer)
                silence = LIMITS.ping_seconds + LIMITS.pong_seconds + LIMITS.resume_seconds
                assert trio.current_time() - began < SLOW + silence + 2

        began = trio.current_time()
        await alice.run(watch)
        network.nursery.cancel_scope.cancel()

    run(main)
