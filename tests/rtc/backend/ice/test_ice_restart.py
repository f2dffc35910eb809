"""Silence, and another way between the same two ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import trio

from trio_rtc.rtc import DataChannel, open_media
from trio_rtc.rtc.backend import ledger, purposes
from trio_rtc.rtc.backend.ice.restartable import RestartableIceTransport
from trio_rtc.wire.messages import IceCandidate

from ...cutting import cut
from ...lacking import lacking
from ...pairs import Peer, negotiate, open_channels, open_pair, without
from ...virtual import in_virtual_time


async def works(ours: DataChannel, theirs: DataChannel) -> None:
    await ours.send("still there?")
    assert await theirs.receive() == "still there?"
    await theirs.send("yes")
    assert await ours.receive() == "yes"


async def eventually(condition: Callable[[], bool]) -> None:
    with trio.fail_after(30):
        while not condition():  # noqa: ASYNC110  # Nothing tells.
            await trio.sleep(0.01)


async def wait_for(peer: Peer, state: str, times: int = 1) -> None:
    await eventually(lambda: peer.log.count(state) >= times)


def paths(peer: Peer) -> list[RestartableIceTransport]:
    return peer.connection._loop_connection.exchange.paths.all()


def is_replaced(path: RestartableIceTransport, agent: object) -> bool:
    return path._agent is not agent


def has_restarted(path: RestartableIceTransport) -> bool:
    return not path.is_restarting


def credentials(peer: Peer) -> set[str]:
    description = peer.connection.local_description
    assert description is not None
    return {line for line in description.sdp.splitlines() if line.startswith("a=ice-ufrag:")}


async def restart(alice: Peer, bob: Peer, *unsaid: str) -> None:
    """Alice asks for it. Candidates wait for the description that they belong to.

    What begins with one of ``unsaid`` is left out of the descriptions.
    """
    alice.described = trio.Event()
    bob.described = trio.Event()
    alice.connection.restart_ice()
    offer = await alice.connection.set_local_description()
    await bob.connection.set_remote_description(without(offer, *unsaid))
    alice.described.set()
    answer = await bob.connection.set_local_description()
    await alice.connection.set_remote_description(without(answer, *unsaid))
    bob.described.set()


@in_virtual_time
async def test_candidates_that_are_known_at_once_cannot_be_overtaken() -> None:
    """By a check of the same agent, which were then one from nowhere."""
    async with open_channels() as (ours, theirs, alice, bob):
        await works(ours, theirs)
        alice.forwards = bob.forwards = False
        [path] = alice.connection._loop_connection.exchange.paths.all()
        agent = path._agent
        await restart(alice, bob)
        await eventually(partial(is_replaced, path, agent))
        await works(ours, theirs)


@in_virtual_time
async def test_a_restart_has_other_credentials_and_loses_nothing() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        await works(ours, theirs)
        for first, second in ((alice, bob), (bob, alice)):
            before = credentials(alice), credentials(bob)
            [path] = first.connection._loop_connection.exchange.paths.all()
            agent = path._agent
            await restart(first, second)
            assert not credentials(alice) & before[0]
            assert not credentials(bob) & before[1]
            await works(ours, theirs)
            await eventually(partial(is_replaced, path, agent))
            await works(ours, theirs)
        assert "disconnected" not in alice.log + bob.log


async def test_tracks_go_on_after_a_restart() -> None:
    async with open_media(video="pattern") as [video], open_channels() as (_, _, alice, bob):
        await alice.connection.add_track(video)
        await negotiate(alice, bob)
        frames = aiter(await bob.tracks.receive())
        await anext(frames)
        with cut(alice.connection):
            await restart(alice, bob)
            for _ in range(60):
                await anext(frames)


@in_virtual_time
async def test_silence_is_noticed_and_so_is_its_end() -> None:
    options = {"silence_timeout": 0.5}
    async with open_channels(connection=options) as (ours, theirs, alice, bob):
        await works(ours, theirs)
        with cut(alice.connection):
            await wait_for(bob, "disconnected")
            assert bob.connection.connection_state == "disconnected"
            await ours.send("late")
        # Alice may have heard Bob all the time.
        await wait_for(bob, "connected", 2)
        assert await theirs.receive() == "late"
        await works(ours, theirs)


@in_virtual_time
async def test_quiet_is_not_silence() -> None:
    options = {"silence_timeout": 0.4}
    async with open_channels(connection=options) as (_, _, alice, bob):
        await alice.connected.wait()
        await bob.connected.wait()
        logs = alice.log, bob.log

        # Checks are asked and answered, for as long as several silences are.
        for path in (path for peer in (alice, bob) for path in paths(peer)):
            enough = path.received + 12
            await eventually(
                lambda path=path, enough=enough: (  # type: ignore[misc]
                    path.received >= enough or any("disconnected" in log for log in logs)
                )
            )
        assert not any("disconnected" in log for log in logs)


@in_virtual_time
async def test_a_restart_finds_another_way_and_brings_what_was_lost() -> None:
    options = {"silence_timeout": 0.5}
    async with open_channels(connection=options) as (ours, theirs, alice, bob):
        await works(ours, theirs)
        with cut(alice.connection, bob.connection):
            await wait_for(bob, "disconnected")
            await ours.send("over the new way")
            await restart(alice, bob)
            await wait_for(bob, "connected", 2)
            assert await theirs.receive() == "over the new way"
            await works(ours, theirs)


@in_virtual_time
async def test_a_restart_that_fails_keeps_what_there_is() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        await works(ours, theirs)
        alice.forwards = bob.forwards = False
        await restart(alice, bob, "a=candidate")
        path = alice.connection._loop_connection.exchange.paths.all()[0]
        assert path.is_restarting
        # Ends of candidates alone: there is no way.
        for peer, other in ((alice, bob), (bob, alice)):
            ends = [candidate for candidate in peer.candidates if candidate.is_end]
            await other.connection.add_ice_candidate(ends[-1])
        await works(ours, theirs)


@in_virtual_time
async def test_what_is_late_of_the_generation_before_does_not_count() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        await works(ours, theirs)
        await eventually(lambda: alice.candidates[-1].is_end and bob.candidates[-1].is_end)
        both = (alice, bob, len(alice.candidates)), (bob, alice, len(bob.candidates))
        alice.forwards = bob.forwards = False
        await restart(alice, bob, "a=candidate")
        for peer, other, late in both:
            for candidate in peer.candidates[:late]:
                await other.connection.add_ice_candidate(candidate)
        for peer, _, _ in both:
            [path] = peer.connection._loop_connection.exchange.paths.all()
            assert path.is_restarting
            assert not path._described_agent.remote_candidates
        for peer, other, late in both:
            for candidate in peer.candidates[late:]:
                await other.connection.add_ice_candidate(candidate)
        for peer, _, _ in both:
            [path] = peer.connection._loop_connection.exchange.paths.all()
            await eventually(partial(has_restarted, path))
        await works(ours, theirs)


@pytest.mark.parametrize("purpose", ["dtls", "path"])
@in_virtual_time
async def test_what_is_of_no_description_does_not_count(purpose: purposes.Purpose) -> None:
    """Such as what is late of a call before, without or with what is private."""
    late = "candidate:1 1 udp 1 192.0.2.1 5000 typ host ufrag zzzz"
    with lacking(purpose, ledger.CONNECTION):
        async with open_pair() as (alice, bob):
            await alice.connection.create_data_channel("chat")
            await bob.connection.set_remote_description(
                await alice.connection.set_local_description()
            )
            for candidate in (
                IceCandidate(candidate=late, sdp_mid="0"),
                IceCandidate(candidate="", sdp_mid="0", username_fragment="zzzz"),
            ):
                await bob.connection.add_ice_candidate(candidate)
            [transport] = bob.connection._loop_connection.sections.ice_transports()
            assert not transport._connection.remote_candidates
            assert not transport._connection._remote_candidates_end


@in_virtual_time
async def test_a_restart_that_is_taken_back() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        alice.described = trio.Event()
        alice.connection.restart_ice()
        await alice.connection.set_local_description()
        await alice.connection.roll_back()
        assert alice.connection.negotiation_needed
        bob.connection.restart_ice()
        bob.described = trio.Event()
        await negotiate(bob, alice)
        assert not alice.connection.negotiation_needed
        await works(ours, theirs)


@in_virtual_time
async def test_closing_in_the_middle_of_a_restart() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        await works(ours, theirs)
        alice.forwards = bob.forwards = False
        await restart(alice, bob)
        alice.connection.restart_ice()
        await alice.connection.set_local_description()


@in_virtual_time
async def test_without_what_is_private_there_is_no_restart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with lacking("path", ledger.CONNECTION):
        async with open_channels() as (ours, theirs, alice, bob):
            before = credentials(alice)
            await restart(alice, bob)
            assert credentials(alice) == before
            await works(ours, theirs)
    assert "_gone" in caplog.text
