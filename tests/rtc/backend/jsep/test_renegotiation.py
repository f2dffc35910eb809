"""Another offer on a connection that stands: what flows goes on, what is new arrives."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import trio
from msgspec.structs import replace

from trio_rtc.errors import NegotiationError
from trio_rtc.rtc import DataChannel, MediaTrack, open_media, open_peer_connection

from ...pairs import Peer, negotiate, open_channels, open_pair


async def first_frame(track: MediaTrack) -> object:
    async for frame in track:
        return frame
    raise AssertionError("the track has no frame")


async def works(ours: DataChannel, theirs: DataChannel) -> None:
    await ours.send("still there?")
    assert await theirs.receive() == "still there?"
    await theirs.send("yes")
    assert await ours.receive() == "yes"


async def glare(polite: Peer, impolite: Peer) -> None:
    """Both offer; the polite one takes its offer back."""
    await polite.connection.set_local_description()
    offer = await impolite.connection.set_local_description()
    with pytest.raises(NegotiationError, match="does not fit"):
        await polite.connection.set_remote_description(offer)
    await polite.connection.roll_back()
    assert polite.connection.signaling_state == "stable"
    await polite.connection.set_remote_description(offer)
    answer = await polite.connection.set_local_description()
    await impolite.connection.set_remote_description(answer)


async def test_tracks_are_added_by_either_side() -> None:
    async with (
        open_media(video="pattern", audio="tone") as media,
        open_channels() as (ours, theirs, alice, bob),
    ):
        video, audio = media
        with trio.fail_after(60):
            await alice.connection.add_track(video)
            await negotiate(alice, bob)
            assert (await bob.tracks.receive()).kind == "video"
            await works(ours, theirs)
            await bob.connection.add_track(audio)
            await negotiate(bob, alice)
            track = await alice.tracks.receive()
            assert track.kind == "audio"
            await first_frame(track)
            await bob.connection.add_track(video)
            await negotiate(bob, alice)
            await first_frame(await alice.tracks.receive())
            await works(ours, theirs)


async def test_the_same_kind_twice() -> None:
    async with (
        open_media(video="pattern") as [video],
        open_media(video="pattern") as [another],
        open_channels() as (_, _, alice, bob),
    ):
        with trio.fail_after(60):
            for track in (video, another):
                await alice.connection.add_track(track)
                await negotiate(alice, bob)
                await first_frame(await bob.tracks.receive())


async def test_what_the_answer_has_no_place_for_needs_an_offer() -> None:
    async with (
        open_media(video="pattern", audio="tone") as [video, audio],
        open_channels() as (_, _, alice, bob),
    ):
        with trio.fail_after(60):
            await alice.connection.add_track(video)
            await bob.connection.add_track(audio)
            await negotiate(alice, bob)
            assert bob.connection.negotiation_needed
            assert not alice.connection.negotiation_needed
            await negotiate(bob, alice)
            assert not bob.connection.negotiation_needed
            assert (await alice.tracks.receive()).kind == "audio"
            assert (await bob.tracks.receive()).kind == "video"


async def test_an_offer_is_taken_back_for_one_that_crosses_it() -> None:
    async with (
        open_media(video="pattern", audio="tone") as [video, audio],
        open_channels() as (ours, theirs, alice, bob),
    ):
        with trio.fail_after(60):
            await alice.connection.add_track(video)
            await bob.connection.add_track(audio)
            await glare(polite=alice, impolite=bob)
            assert (await alice.tracks.receive()).kind == "audio"
            assert alice.connection.negotiation_needed
            await negotiate(alice, bob)
            assert (await bob.tracks.receive()).kind == "video"
            await works(ours, theirs)


async def test_crossing_offers_of_the_same_kind_share_a_section() -> None:
    async with (
        open_media(video="pattern") as [video],
        open_media(video="pattern") as [another],
        open_channels() as (ours, theirs, alice, bob),
    ):
        with trio.fail_after(60):
            await alice.connection.add_track(video)
            await bob.connection.add_track(another)
            await glare(polite=alice, impolite=bob)
            await first_frame(await alice.tracks.receive())
            await first_frame(await bob.tracks.receive())
            assert not alice.connection.negotiation_needed
            await works(ours, theirs)


async def test_data_channels_join_a_call_of_media_only() -> None:
    async with open_media(audio="tone") as [audio], open_pair() as (alice, bob):
        with trio.fail_after(60):
            await alice.connection.add_track(audio)
            await negotiate(alice, bob)
            await alice.connected.wait()
            channel = await bob.connection.create_data_channel("late")
            await negotiate(bob, alice)
            await channel.wait_open()
            await channel.send("hello")
            assert await (await alice.channels.receive()).receive() == "hello"


async def test_there_is_nothing_to_take_back() -> None:
    async with open_peer_connection() as connection:
        with pytest.raises(NegotiationError, match="take back") as caught:
            await connection.roll_back()
        assert caught.value.code == "wrong_state"


CHANGES: dict[str, Callable[[str], str]] = {
    "another kind": lambda sdp: sdp.replace("m=audio", "m=video").replace("PCMU", "VP8"),
    "another id": lambda sdp: re.sub(r"a=mid:0\b", "a=mid:7", sdp).replace("BUNDLE 0", "BUNDLE 7"),
    "another order": lambda sdp: "m=".join([(parts := sdp.split("m="))[0], parts[2], parts[1]]),
    "one missing": lambda sdp: sdp[: sdp.index("m=application")].replace("BUNDLE 0 1", "BUNDLE 0"),
}


@pytest.mark.parametrize("how", CHANGES)
async def test_an_offer_that_changes_a_section_is_refused_and_breaks_nothing(how: str) -> None:
    with trio.fail_after(60):
        async with (
            open_media(audio="tone") as [track],
            open_pair() as (alice, bob),
        ):
            await alice.connection.add_track(track)
            ours = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await ours.wait_open()
            theirs = await bob.channels.receive()
            offer = await alice.connection.create_offer()
            changed = replace(offer, sdp=CHANGES[how](offer.sdp))
            assert changed != offer
            with pytest.raises(NegotiationError, match=r"before$") as caught:
                await bob.connection.set_remote_description(changed)
            assert caught.value.code == "bad_description"
            await works(ours, theirs)
            await negotiate(alice, bob)
            await works(ours, theirs)


async def test_a_rejected_section_makes_room_for_another() -> None:
    with trio.fail_after(60):
        async with open_media(audio="tone") as [track], open_pair() as (alice, bob):
            await alice.connection.add_track(track)
            ours = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await ours.wait_open()
            theirs = await bob.channels.receive()
            offer = await alice.connection.create_offer()
            rejecting = re.sub(r"m=audio \d+", "m=audio 0", offer.sdp).replace("LE 0 1", "LE 1")
            assert "m=audio 0 " in rejecting
            recycling = re.sub(r"a=mid:0\b", "a=mid:7", offer.sdp).replace("BUNDLE 0", "BUNDLE 7")
            for sdp in (rejecting, recycling):
                await bob.connection.set_remote_description(replace(offer, sdp=sdp))
                answer = await bob.connection.set_local_description()
                assert answer.sdp.count("m=") == 2
            assert "a=mid:7" in answer.sdp
            await works(ours, theirs)
