"""Signaling of one's own: with candidates on their own, or all in the description."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from trio_rtc.errors import CallError, NegotiationError
from trio_rtc.rtc import IceCandidateEvent, PeerConnection, open_peer_connection
from trio_rtc.wire.messages import IceCandidate, SessionDescription

from ...turn_server import turn_server


async def test_candidates_in_the_description() -> None:
    """One request and one response, as over HTTP."""
    with trio.fail_after(30):
        async with open_peer_connection() as alice, open_peer_connection() as bob:
            channel = await alice.create_data_channel("chat")
            await alice.set_local_description()
            await bob.set_remote_description(await alice.gathered())
            await bob.set_local_description()
            await alice.set_remote_description(await bob.gathered())
            await channel.wait_open()


async def test_it_takes_as_long_as_the_servers_do(tmp_path: Path) -> None:
    with trio.fail_after(30):
        async with (
            turn_server(tmp_path) as server,
            open_peer_connection(ice_servers=[server.turn()]) as alice,
        ):
            await alice.create_data_channel("chat")
            await alice.set_local_description()
            assert " typ relay " in (await alice.gathered()).sdp
            # A restart begins again.
            before = alice.local_description
            assert await alice.gathered() == before


async def test_a_connection_that_is_closed_gathers_nothing() -> None:
    async with open_peer_connection() as connection, trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(CallError) as caught:
                await connection.gathered()
            assert caught.value.code == "connection_closed"

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        await connection.aclose()


async def test_candidates_never_overtake_their_description() -> None:
    """Two tasks send, as they come to it, and one at the other side takes one after the other."""
    for _ in range(10):
        with trio.fail_after(30):
            async with open_peer_connection() as alice, open_peer_connection() as bob:
                channel = await alice.create_data_channel("chat")
                async with trio.open_nursery() as nursery:
                    to_bob = _wire(nursery, bob, alice)
                    to_alice = _wire(nursery, alice, bob)
                    nursery.start_soon(_trickle, alice, to_bob)
                    nursery.start_soon(_trickle, bob, to_alice)
                    await to_bob.send(await alice.set_local_description())
                    await channel.wait_open()
                    nursery.cancel_scope.cancel()


def _wire(
    nursery: trio.Nursery, at: PeerConnection, back: PeerConnection
) -> trio.MemorySendChannel[SessionDescription | IceCandidate]:
    give, take = trio.open_memory_channel[SessionDescription | IceCandidate](100)
    backwards[at] = give

    async def receive() -> None:
        async for message in take:
            if isinstance(message, IceCandidate):
                # Raises for one without its description.
                await at.add_ice_candidate(message)
            else:
                await at.set_remote_description(message)
                if message.type == "offer":
                    answer = await at.set_local_description()
                    await backwards[back].send(answer)

    nursery.start_soon(receive)
    return give


backwards: dict[PeerConnection, trio.MemorySendChannel[SessionDescription | IceCandidate]] = {}


async def _trickle(
    connection: PeerConnection, wire: trio.MemorySendChannel[SessionDescription | IceCandidate]
) -> None:
    async for event in connection:
        if isinstance(event, IceCandidateEvent):
            await wire.send(event.candidate)


async def test_a_candidate_without_its_description() -> None:
    async with open_peer_connection() as connection:
        with pytest.raises(NegotiationError) as caught:
            await connection.add_ice_candidate(IceCandidate(candidate="", sdp_mid="0"))
        assert caught.value.code == "wrong_state"
