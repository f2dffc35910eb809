from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Coroutine
from itertools import groupby
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from trio_rtc.errors import BadIceServer, CallError, NegotiationError
from trio_rtc.rtc import Kind, PeerConnection, open_media, open_peer_connection
from trio_rtc.rtc.backend.aiortc_connection import LoopConnection
from trio_rtc.wire.messages import IceCandidate, SessionDescription

from .pairs import Peer, negotiate, open_channels, open_pair


def in_short(log: list[str]) -> list[str]:
    """A log with runs of one entry as one."""
    return [entry for entry, _ in groupby(log)]


def lines(sdp: str, prefix: str) -> list[str]:
    return [line for line in sdp.splitlines() if line.startswith(prefix)]


def ice_state(peer: Peer) -> str:
    return peer.connection.ice_connection_state


def signaling_state(peer: Peer) -> str:
    return peer.connection.signaling_state


async def both_connected(alice: Peer, bob: Peer) -> None:
    await alice.connected.wait()
    await bob.connected.wait()


async def test_from_offer_to_close() -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            assert ice_state(alice) == "new"
            assert signaling_state(alice) == "stable"
            await alice.connection.create_data_channel("chat")

            offer = await alice.connection.create_offer()
            assert signaling_state(alice) == "stable"
            assert alice.connection.local_description is None
            to_send = await alice.connection.set_local_description(offer)
            assert signaling_state(alice) == "have-local-offer"

            await bob.connection.set_remote_description(to_send)
            assert signaling_state(bob) == "have-remote-offer"
            alice.described.set()
            answer = await bob.connection.create_answer()
            to_send = await bob.connection.set_local_description(answer)
            assert signaling_state(bob) == "stable"

            await alice.connection.set_remote_description(to_send)
            bob.described.set()
            await both_connected(alice, bob)
            await bob.channels.receive()
            assert alice.connection.connection_state == "connected"
            assert ice_state(alice) == "completed"

            await alice.connection.aclose()
            await alice.over.wait()
            # The other side is told, and closes too.
            await bob.over.wait()
            assert bob.connection.connection_state == "closed"
            assert signaling_state(bob) == "closed"
    for peer in (alice, bob):
        candidates = [e for e in peer.log if e.startswith(("candidate", "end"))]
        assert in_short(candidates) == ["candidate 0", "end 0"]
        states = [e for e in peer.log if e not in candidates and e != "channel chat"]
        assert states == ["connecting", "connected", "closed", "over"]
    assert bob.log.index("connected") < bob.log.index("channel chat")


async def test_candidates_travel_on_their_own() -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            await alice.connection.create_data_channel("chat")
            offer = await alice.connection.set_local_description()
            await bob.connection.set_remote_description(offer)
            answer = await bob.connection.set_local_description()
            for sent, peer in ((offer, alice), (answer, bob)):
                assert lines(sent.sdp, "a=candidate") == []
                assert lines(sent.sdp, "a=end-of-candidates") == []
                assert lines(sent.sdp, "a=ice-options:") == ["a=ice-options:trickle"]
                assert [line.split()[1] for line in lines(sent.sdp, "m=")] == ["9"]
                # Our own description has them.
                local = peer.connection.local_description
                assert local is not None
                assert local.type == sent.type
                assert len(lines(local.sdp, "a=candidate")) > 0
            alice.described.set()
            await alice.connection.set_remote_description(answer)
            bob.described.set()
            await both_connected(alice, bob)
            for peer in (alice, bob):
                local = peer.connection.local_description
                assert local is not None
                (ufrag,) = lines(local.sdp, "a=ice-ufrag:")
                for candidate in peer.candidates[:-1]:
                    assert candidate.candidate.startswith("candidate:")
                    assert candidate.candidate.endswith(ufrag.removeprefix("a=ice-ufrag:"))
                    assert (candidate.sdp_mid, candidate.sdp_m_line_index) == ("0", 0)
                assert [c.is_end for c in peer.candidates].index(True) == len(peer.candidates) - 1


@pytest.mark.parametrize("policy", ["balanced", "max-bundle", "max-compat"])
async def test_each_transport_gets_its_candidates_and_their_end(policy: str) -> None:
    with trio.fail_after(30):
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_pair(bundle_policy=policy) as (alice, bob),
        ):
            for track in tracks:
                await alice.connection.add_track(track)
            await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await both_connected(alice, bob)
            await bob.channels.receive()
            kinds = [(await bob.tracks.receive()).kind for _ in tracks]
            assert sorted(kinds) == ["audio", "video"]
    of_alice = {"balanced": ["0", "1", "2"], "max-bundle": ["0"], "max-compat": ["0", "1", "2"]}
    ends = [entry.split()[1] for entry in alice.log if entry.startswith("end")]
    assert ends == of_alice[policy]
    for mid in ends:
        assert f"candidate {mid}" in alice.log
    # The answer has accepted the bundle.
    assert [entry for entry in bob.log if entry.startswith("end")] == ["end 0"]


@pytest.mark.parametrize("policy", ["balanced", "max-bundle", "max-compat"])
async def test_the_answerer_has_a_channel_already(policy: str) -> None:
    with trio.fail_after(30):
        async with (
            open_media(audio="tone") as (track,),
            open_pair(bundle_policy=policy) as (alice, bob),
        ):
            theirs = await bob.connection.create_data_channel("chat")
            alice.connection.offer_to_receive([])
            await alice.connection.add_track(track)
            await negotiate(alice, bob)
            ours = await alice.channels.receive()
            await theirs.send("hello")
            assert await ours.receive() == "hello"
            assert await anext(aiter(await bob.tracks.receive()))


async def test_media_without_a_channel() -> None:
    with trio.fail_after(30):
        async with open_media(audio="tone") as tracks, open_pair() as (alice, bob):
            await alice.connection.add_track(tracks[0])
            await negotiate(alice, bob)
            await both_connected(alice, bob)
            track = await bob.tracks.receive()
            assert await anext(aiter(track))


async def test_a_track_in_the_answer() -> None:
    with trio.fail_after(30):
        async with open_media(audio="tone") as tracks, open_pair() as (alice, bob):
            alice.connection.offer_to_receive(["audio"])
            await bob.connection.add_track(tracks[0])
            await negotiate(alice, bob)
            assert await anext(aiter(await alice.tracks.receive()))


async def test_channels_of_the_other_side_only() -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            alice.connection.offer_to_receive([])
            await negotiate(alice, bob)
            channel = await bob.connection.create_data_channel("chat")
            await channel.send("hello")
            theirs = await alice.channels.receive()
            assert theirs.label == "chat"
            assert await theirs.receive() == "hello"
    assert not [entry for entry in bob.log if entry.startswith("channel")]


@pytest.mark.parametrize("kinds", [[], ["audio"], ["video", "audio"]])
@pytest.mark.parametrize("data_channels", [True, False])
async def test_an_offer_to_receive(kinds: list[Kind], data_channels: bool) -> None:
    async with open_peer_connection() as connection:
        connection.offer_to_receive(kinds, data_channels=data_channels)
        if not kinds and not data_channels:
            with pytest.raises(NegotiationError, match="nothing to offer"):
                await connection.create_offer()
            return
        for _ in range(2):
            offer = await connection.create_offer()
            sections = [line.split()[0].removeprefix("m=") for line in lines(offer.sdp, "m=")]
            assert sections == [*kinds, *(["application"] if data_channels else [])]
            assert lines(offer.sdp, "a=recvonly") == ["a=recvonly"] * len(kinds)


async def test_nothing_to_offer() -> None:
    async with open_peer_connection() as connection:
        for method in (connection.create_offer, connection.set_local_description):
            with pytest.raises(NegotiationError) as caught:
                await method()
            assert (caught.value.code, caught.value.fault) == ("nothing_to_offer", "local")
        # It is not spoilt by that.
        await connection.create_data_channel("chat")
        await connection.set_local_description()


async def expect_wrong_state(connection: PeerConnection, step: str, sdp: str = "") -> None:
    with pytest.raises(NegotiationError) as caught:
        match step:
            case "create answer":
                await connection.create_answer()
            case "local answer":
                await connection.set_local_description(SessionDescription(type="answer", sdp=sdp))
            case "local offer":
                await connection.set_local_description(SessionDescription(type="offer", sdp=sdp))
            case "remote offer":
                await connection.set_remote_description(SessionDescription(type="offer", sdp=sdp))
            case "remote answer":
                await connection.set_remote_description(SessionDescription(type="answer", sdp=sdp))
            case "candidate":
                await connection.add_ice_candidate(
                    IceCandidate(
                        candidate="candidate:1 1 udp 1 127.0.0.1 9 typ host", sdp_m_line_index=0
                    )
                )
            case "end":
                await connection.add_ice_candidate(IceCandidate(candidate=""))
            case _:
                raise AssertionError(step)
    assert caught.value.code == "wrong_state"


async def test_wrong_states() -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            await alice.connection.create_data_channel("chat")
            offer = await alice.connection.create_offer()

            # Stable.
            for step in ("create answer", "local answer", "remote answer", "candidate", "end"):
                await expect_wrong_state(alice.connection, step, offer.sdp)
            sent = await alice.connection.set_local_description(offer)

            # We have offered.
            for step in ("create answer", "local answer", "remote offer", "candidate", "end"):
                await expect_wrong_state(alice.connection, step, offer.sdp)
            await bob.connection.set_remote_description(sent)
            alice.described.set()

            # We have been offered something.
            for step in ("remote offer", "remote answer", "local offer"):
                await expect_wrong_state(bob.connection, step, offer.sdp)
            answer = await bob.connection.set_local_description()
            await alice.connection.set_remote_description(answer)
            bob.described.set()

            # Stable again.
            await expect_wrong_state(alice.connection, "remote answer", answer.sdp)
            await expect_wrong_state(bob.connection, "create answer")
            await both_connected(alice, bob)


async def test_a_second_offer_adds_a_track() -> None:
    with trio.fail_after(30):
        async with (
            open_media(video="pattern") as tracks,
            open_pair() as (alice, bob),
        ):
            await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await both_connected(alice, bob)
            await alice.connection.add_track(tracks[0])
            await negotiate(alice, bob)
            track = await bob.tracks.receive()
            assert await anext(aiter(track))


async def test_closed() -> None:
    async with open_peer_connection() as connection:
        await connection.create_data_channel("chat")
        offer = await connection.create_offer()
        await connection.aclose()
        await connection.aclose()
        async with open_media(audio="tone") as (track,):
            for attempt in (
                connection.create_offer,
                connection.create_answer,
                connection.set_local_description,
                lambda: connection.set_remote_description(offer),
                lambda: connection.add_ice_candidate(IceCandidate(candidate="")),
                lambda: connection.create_data_channel("chat"),
                lambda: connection.add_track(track),
            ):
                with pytest.raises(CallError) as caught:
                    await attempt()
                assert (caught.value.code, caught.value.fault) == ("connection_closed", "local")
        assert connection.connection_state == "closed"
        assert connection.ice_connection_state == "closed"
        assert connection.signaling_state == "closed"
        assert [event async for event in connection][-1:] != []
        with pytest.raises(StopAsyncIteration):
            await anext(connection)


async def test_closed_while_a_task_negotiates() -> None:
    # Whoever is in the middle of a method gets an error of ours, or gets through.
    async def negotiate_on() -> None:
        with pytest.raises((CallError, NegotiationError)):
            while True:
                await connection.create_offer()

    async with open_peer_connection() as connection:
        await connection.create_data_channel("chat")
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(negotiate_on)
            # They never stop, so that nobody can wait until they are blocked.
            for _ in range(10):
                await trio.lowlevel.checkpoint()
            await connection.aclose()


async def test_events_end_with_the_block() -> None:
    async def collect() -> None:
        async for _ in connection:
            pass
        over.set()

    over = trio.Event()
    async with trio.open_nursery() as nursery:
        async with open_peer_connection() as connection:
            nursery.start_soon(collect)
        await over.wait()


async def test_candidates_that_are_dropped() -> None:
    with trio.fail_after(30):
        async with (
            open_media(audio="tone") as (track,),
            open_pair() as (alice, bob),
        ):
            await alice.connection.add_track(track)
            await alice.connection.create_data_channel("chat")
            offer = await alice.connection.set_local_description()
            await bob.connection.set_remote_description(offer)
            line = "candidate:1 1 udp 1 127.0.0.1 9 typ host"
            # No section has this id, or this index.
            for candidate in (
                IceCandidate(candidate=line, sdp_mid="nobody"),
                IceCandidate(candidate=line, sdp_m_line_index=7),
                IceCandidate(candidate=line, sdp_m_line_index=-1),
                IceCandidate(candidate="", sdp_mid="nobody"),
                IceCandidate(candidate="", sdp_m_line_index=7),
                # The end for a section that the bundle has swallowed.
                IceCandidate(candidate="", sdp_mid="1"),
                IceCandidate(candidate="", sdp_m_line_index=1),
                # Not for us: TCP, another component, another transport.
                IceCandidate(candidate=line.replace("udp", "tcp"), sdp_mid="0"),
                IceCandidate(candidate=line.replace(" 1 udp", " 2 udp"), sdp_mid="0"),
            ):
                await bob.connection.add_ice_candidate(candidate)
            alice.described.set()
            answer = await bob.connection.set_local_description()
            await alice.connection.set_remote_description(answer)
            bob.described.set()
            await both_connected(alice, bob)
            # After the end.
            for candidate in (
                IceCandidate(candidate=line, sdp_mid="0"),
                IceCandidate(candidate="", sdp_mid="0"),
                IceCandidate(candidate=""),
            ):
                await bob.connection.add_ice_candidate(candidate)
            channel = await bob.channels.receive()
            await channel.send("hello")


async def test_an_end_without_a_section_ends_them_all() -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            ours = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await both_connected(alice, bob)
            agents = [path._agent for path in bob.connection._loop_connection.exchange.paths.all()]
            await bob.connection.add_ice_candidate(IceCandidate(candidate=""))
            assert [agent._remote_candidates_end for agent in agents] == [True]
            # To a connection that stands that is all the same.
            await ours.send("still there?")
            assert await (await bob.channels.receive()).receive() == "still there?"


async def test_no_way_to_each_other() -> None:
    # With the end of the candidates known, ICE fails and does not wait for more.
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            await alice.connection.create_data_channel("chat")
            alice.forwards = False
            bob.forwards = False
            await negotiate(alice, bob)
            await alice.connection.add_ice_candidate(IceCandidate(candidate=""))
            await alice.failed.wait()
            assert alice.connection.connection_state == "failed"
            assert alice.connection.ice_connection_state == "failed"
            assert alice.connection.failure == "no pair of candidates works"


async def test_a_fingerprint_of_somebody_else() -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            await alice.connection.create_data_channel("chat")
            await bob.connection.set_remote_description(
                await alice.connection.set_local_description()
            )
            alice.described.set()
            answer = await bob.connection.set_local_description()
            forged = re.sub(
                r"(a=fingerprint:\S+ )(..)",
                lambda found: found[1] + ("01" if found[2] == "00" else "00"),
                answer.sdp,
            )
            await alice.connection.set_remote_description(replace(answer, sdp=forged))
            bob.described.set()
            await alice.failed.wait()
            assert alice.connection.ice_connection_state == "completed"
            assert alice.connection.failure == "the DTLS handshake failed"


async def test_a_local_name_that_nobody_has() -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            await alice.connection.create_data_channel("chat")
            offer = await alice.connection.set_local_description()
            await bob.connection.set_remote_description(offer)
            hidden = "candidate:1 1 udp 1 5e1d7f4a-nobody.local 9 typ host"
            await bob.connection.add_ice_candidate(IceCandidate(candidate=hidden, sdp_mid="0"))
            alice.described.set()
            answer = await bob.connection.set_local_description()
            await alice.connection.set_remote_description(answer)
            bob.described.set()
            await both_connected(alice, bob)


@pytest.mark.parametrize(
    "server",
    [
        "",
        "stun",
        "stun:",
        "http://example.org",
        "stun:host:0",
        "stun:host:70000",
        "stun:host:port",
        "turn:host",
        "turn:host?transport=sctp",
    ],
)
async def test_a_bad_ice_server(server: str) -> None:
    with pytest.raises(BadIceServer) as caught:
        async with open_peer_connection(ice_servers=[server]):
            raise AssertionError("opened")
    assert caught.value.code == "bad_ice_server"
    assert isinstance(caught.value, ValueError)


async def test_an_ice_server_that_does_not_answer_holds_up_nobody() -> None:
    with trio.fail_after(30), socket.socket(type=socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        server = f"stun:127.0.0.1:{mute.getsockname()[1]}"
        async with open_pair(ice_servers=[server]) as (alice, bob):
            channel = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await channel.wait_open()
        # Nor is it waited for when the connection is closed.
        async with open_peer_connection(ice_servers=[server]) as connection:
            await connection.create_data_channel("chat")
            await connection.set_local_description()


async def test_what_comes_while_it_closes() -> None:
    # All of it reaches the loop after the closing has begun there, and before we hear of that.
    line = "candidate:1 1 udp 1 127.0.0.1 9 typ host"
    with trio.fail_after(30):
        async with open_media(audio="tone") as (track,), open_pair() as (alice, bob):
            channel = await alice.connection.create_data_channel("chat")
            offer = await alice.connection.create_offer()
            await negotiate(alice, bob)
            await channel.wait_open()
            connection = alice.connection

            async def attempt(async_fn: Callable[[], Awaitable[object]]) -> None:
                with pytest.raises(CallError) as caught:
                    await async_fn()
                assert caught.value.code == "connection_closed"
                refused.append(async_fn)

            refused: list[object] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(connection.aclose)
                await wait_all_tasks_blocked()
                for async_fn in (
                    connection.create_offer,
                    connection.create_answer,
                    connection.set_local_description,
                    lambda: connection.set_remote_description(offer),
                    lambda: connection.add_ice_candidate(IceCandidate(candidate="")),
                    lambda: connection.add_ice_candidate(IceCandidate(candidate=line, sdp_mid="0")),
                    lambda: connection.create_data_channel("more"),
                    lambda: connection.add_track(track),
                ):
                    nursery.start_soon(attempt, async_fn)
            assert len(refused) == 8


@pytest.mark.parametrize("step", ["describe", "resolve"])
@pytest.mark.parametrize("steps", range(12))
async def test_closed_in_the_middle_of_a_method(step: str, steps: int) -> None:
    hidden = IceCandidate(candidate="candidate:1 1 udp 1 nobody.local 9 typ host", sdp_mid="0")
    codes: list[str] = []

    async def close_later(connection: LoopConnection) -> None:
        method: Coroutine[Any, Any, object]
        if step == "describe":
            method = connection.while_open(connection.exchange.set_local_description, None)
        else:
            method = connection.while_open(connection.exchange.add_ice_candidate, hidden)
        task = asyncio.create_task(method)
        for _ in range(steps):
            await asyncio.sleep(0)
        await connection.close(5)
        await task

    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            await alice.connection.create_data_channel("chat")
            offer = await alice.connection.set_local_description()
            await bob.connection.set_remote_description(offer)
            try:
                await bob.connection._bridge.run(close_later, bob.connection._loop_connection)
            except CallError as error:
                codes.append(error.code)
    assert set(codes) <= {"connection_closed"}


async def test_closed_by_aiortc_that_has_not_told_yet() -> None:
    """It does so by itself when the other side has closed DTLS."""

    async def offer_too_late(connection: LoopConnection) -> None:
        sctp: Any = connection._pc.sctp
        stop, offered = sctp.stop, asyncio.Event()

        async def stop_slowly() -> None:
            await offered.wait()
            await stop()

        sctp.stop = stop_slowly
        closing = asyncio.create_task(connection._pc.close())
        await asyncio.sleep(0)
        try:
            assert connection._closing is None
            await connection.while_open(connection.exchange.create_offer)
        finally:
            offered.set()
            await closing

    with trio.fail_after(30):
        async with open_channels() as (_, _, alice, _):
            with pytest.raises(CallError) as caught:
                await alice.connection._bridge.run(
                    offer_too_late, alice.connection._loop_connection
                )
    assert caught.value.code == "connection_closed"


async def test_closing_after_the_block() -> None:
    async with open_peer_connection() as connection:
        await connection.create_data_channel("chat")
    await connection.aclose()
    with pytest.raises(CallError):
        await connection.create_offer()
