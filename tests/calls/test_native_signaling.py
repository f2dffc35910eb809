"""Calls over native sessions, whose connections come and go."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from tests.server.harness import tcp_server
from tests.signaling.proxy import Proxy, open_proxy
from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.calls.options import CallOptions, choose_ice_servers
from trio_rtc.errors import BadIceServer, SignalingError, UnknownPeer
from trio_rtc.rtc import IceServer, MediaTrack, open_media
from trio_rtc.server.turn import TurnCredentials
from trio_rtc.signaling import open_signaling
from trio_rtc.testing import MemoryHub
from trio_rtc.wire.native import IceServerEntry

from .both_sides import next_track, open_both, open_chat, works


@asynccontextmanager
async def open_call_over_a_proxy() -> AsyncIterator[tuple[Call, Call, Proxy]]:
    """Alice, behind the proxy, has called Bob."""
    give, take = trio.open_memory_channel[Call](1)

    async def wait(call: Call) -> None:
        await give.send(call)
        await call.wait_ended()

    with trio.fail_after(60):
        async with (
            tcp_server() as port,
            open_proxy(port) as (proxy, far),
            open_signaling(f"ws://127.0.0.1:{far}", name="alice") as alice,
            open_signaling(f"ws://127.0.0.1:{port}", name="bob") as bob,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(serve_calls, wait, bob)
            async with open_call(alice, await alice.wait_for_peer("bob"), receive=()) as call:
                yield call, await take.receive(), proxy
            nursery.cancel_scope.cancel()


async def test_a_call_does_not_notice_that_signaling_is_interrupted() -> None:
    async with open_call_over_a_proxy() as (alice, bob, proxy):
        ours = await alice.open_channel("chat")
        theirs = await anext(aiter(bob.channels))
        proxy.up = False
        proxy.cut()
        await works(ours, theirs)
        proxy.up = True
        await works(ours, theirs)
        assert alice.end is None
        assert bob.end is None


async def test_what_is_negotiated_meanwhile_is_negotiated_afterwards() -> None:
    async with (
        open_media(audio="tone") as tracks,
        open_call_over_a_proxy() as (alice, bob, proxy),
        trio.open_nursery() as nursery,
    ):
        proxy.up = False
        proxy.cut()
        nursery.start_soon(add, alice, tracks[0])
        await trio.testing.wait_all_tasks_blocked(0.05)
        proxy.up = True
        assert (await next_track(bob)).kind == "audio"


async def add(call: Call, track: MediaTrack) -> None:
    await call.add_track(track)


@pytest.mark.parametrize(("caller", "callee"), [("ws", "http"), ("http", "ws")])
async def test_peers_of_both_protocols_call_each_other(caller: str, callee: str) -> None:
    async def echo(call: Call) -> None:
        channel = await anext(aiter(call.channels))
        await channel.send(await channel.receive())
        await call.wait_ended()

    with trio.fail_after(60):
        async with (
            tcp_server() as port,
            open_signaling(f"{caller}://127.0.0.1:{port}", name="alice") as alice,
            open_signaling(f"{callee}://127.0.0.1:{port}", name="bob") as bob,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(serve_calls, echo, bob)
            peer = await alice.wait_for_peer("bob")
            async with open_call(alice, peer) as call, await call.open_channel("chat") as channel:
                await channel.send(b"\xff")
                assert await channel.receive() == b"\xff"
            nursery.cancel_scope.cancel()


async def test_an_offer_that_reaches_nobody_ends_the_call() -> None:
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")

    async def fail(*_: object) -> None:
        alice.failed(bob.peer_id, UnknownPeer("no peer 2 is here", fault="remote"))

    hub.delay = fail
    with pytest.raises(UnknownPeer, match="no peer 2"):
        async with open_call(alice, "bob"):
            pass


async def test_a_message_that_reaches_nobody_ends_no_call_that_stands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_both() as ends:
        error = SignalingError("too much waits for peer 2 already", code="mailbox_full")
        ends.alice_signaling.failed(ends.alice.peer.id, error)
        await works(*await open_chat(ends))
    assert "too much waits" in caplog.text


async def test_ice_servers_come_from_the_program_the_environment_or_the_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    signaling = MemoryHub().sign_in("alice")
    assert list(choose_ice_servers(CallOptions(), signaling)) == []
    signaling.ice_servers = [
        IceServerEntry(["turn:turn.example.org"], "alice", "secret"),
        IceServerEntry(["turn:without.credentials"]),
        IceServerEntry(["http://nonsense"]),
    ]
    issued = IceServer(["turn:turn.example.org"], "alice", "secret")
    with caplog.at_level(logging.WARNING):
        assert choose_ice_servers(CallOptions(), signaling) == [issued]
    assert "without.credentials" in caplog.text
    assert "nonsense" in caplog.text
    monkeypatch.setenv("TRIO_RTC_ICE_SERVERS", "stun:stun.example.org")
    assert choose_ice_servers(CallOptions(), signaling) == [IceServer("stun:stun.example.org")]
    assert choose_ice_servers(CallOptions(ice_servers=()), signaling) == ()
    monkeypatch.setenv("TRIO_RTC_ICE_SERVERS", "http://nonsense")
    with pytest.raises(BadIceServer, match="TRIO_RTC_ICE_SERVERS"):
        choose_ice_servers(CallOptions(), signaling)


async def test_the_server_issues_turn_credentials() -> None:
    turn = TurnCredentials("secret", ["turn:turn.example.org:3478"])
    async with (
        tcp_server(turn=turn) as port,
        open_signaling(f"ws://127.0.0.1:{port}", name="alice") as alice,
    ):
        (server,) = choose_ice_servers(CallOptions(), alice)
        assert isinstance(server, IceServer)
        assert server.url_list == ["turn:turn.example.org:3478"]
        assert server.username
        assert server.username.endswith(f":{alice.peer_id}")
