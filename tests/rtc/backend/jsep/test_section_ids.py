"""Sections without ids, and media without keys, as older stacks offer them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import trio
from av import AudioFrame

from trio_rtc.rtc import PeerConnection, TrackEvent, open_peer_connection, open_track
from trio_rtc.rtc.backend.jsep.section_text import with_ids, without_ids
from trio_rtc.wire.messages import SessionDescription

from ...media.pictures import tone
from ...virtual import in_virtual_time

PLAIN = "m=audio 5004 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\na=rtpmap:0 PCMU/8000\r\n"


def without(description: SessionDescription) -> SessionDescription:
    """As a stack says it that knows no ids of sections (RFC 5888)."""
    sdp = re.sub(r"a=(mid|group|extmap):.*\r\n", "", description.sdp)
    return SessionDescription(type=description.type, sdp=sdp)


async def negotiate(alice: PeerConnection, bob: PeerConnection) -> SessionDescription:
    """Alice offers; neither hears of an id that the other has. What Bob says."""
    await alice.set_local_description()
    await bob.set_remote_description(without(await alice.gathered()))
    await bob.set_local_description()
    answer = await bob.gathered()
    await alice.set_remote_description(without(answer))
    return answer


async def frame_of_next_track(connection: PeerConnection) -> None:
    async for event in connection:
        if isinstance(event, TrackEvent):
            async for frame in event.track:
                assert isinstance(frame, AudioFrame)
                return


async def sound() -> AsyncIterator[AudioFrame]:
    async for frame in tone():
        yield frame


@in_virtual_time
async def test_sections_without_ids() -> None:
    async with (
        open_track("audio", sound()) as one,
        open_track("audio", sound()) as two,
        open_peer_connection(bundle_policy="balanced") as alice,
        open_peer_connection(bundle_policy="balanced") as bob,
    ):
        await alice.add_track(one)
        channel = await alice.create_data_channel("chat")
        answer = await negotiate(alice, bob)
        # An answer has those of the offer, and no others (RFC 9429, section 5.3.1).
        assert "a=mid:" not in answer.sdp
        assert "a=group:" not in answer.sdp
        remote = bob.remote_description
        assert remote is not None
        assert "a=mid:" not in remote.sdp
        with trio.fail_after(20):
            await channel.wait_open()
            await frame_of_next_track(bob)
            # And the other way round: the sections are those of before.
            await bob.add_track(two)
            await negotiate(bob, alice)
            await frame_of_next_track(alice)
            await negotiate(alice, bob)
        assert len(re.findall("^m=", answer.sdp, re.M)) == 2


@pytest.mark.parametrize("has_id", [True, False])
@pytest.mark.parametrize("place", [1, 2])
@in_virtual_time
async def test_media_without_keys_refuse_nothing_else(place: int, has_id: bool) -> None:
    async with open_peer_connection() as alice, open_peer_connection() as bob:
        channel = await alice.create_data_channel("chat")
        await alice.set_local_description()
        parts = re.split(r"(?=^m=)", (await alice.gathered()).sdp, flags=re.M)
        parts.insert(place, PLAIN + "a=mid:plain\r\n" * has_id)
        await bob.set_remote_description(SessionDescription(type="offer", sdp="".join(parts)))
        await bob.set_local_description()
        answer = await bob.gathered()
        parts = re.split(r"(?=^m=)", answer.sdp, flags=re.M)
        assert parts[place].startswith("m=audio 0 RTP/AVP 0\r\n")
        assert ("a=mid:plain" in answer.sdp) is has_id
        del parts[place]
        await alice.set_remote_description(SessionDescription(type="answer", sdp="".join(parts)))
        with trio.fail_after(20):
            await channel.wait_open()


@in_virtual_time
async def test_gathering_after_an_offer_was_taken_back_waits_for_another() -> None:
    async with open_peer_connection() as alice, trio.open_nursery() as nursery:
        await alice.create_data_channel("chat")
        await alice.set_local_description()
        await alice.roll_back()
        found: list[SessionDescription] = []

        async def gather() -> None:
            found.append(await alice.gathered())

        nursery.start_soon(gather)
        await trio.sleep(10)
        assert not found
        await alice.set_local_description()
        await trio.sleep(10)
        assert found == [alice.local_description]


def test_ids_are_given_to_those_that_have_none() -> None:
    sdp = "v=0\r\nm=audio 9 x 96\r\nm=video 9 x 1\r\na=mid:b\r\nm=application 9 x y\r\n"
    full, given = with_ids(sdp, ["a", "x"])
    assert given == ["a", "section2"]
    assert re.findall("a=mid:(.*)\r", full) == ["a", "b", "section2"]
    grouped = full.replace("v=0\r\n", "v=0\r\na=group:BUNDLE a b section2\r\n")
    assert without_ids(grouped, given) == sdp.replace("v=0\r\n", "v=0\r\na=group:BUNDLE b\r\n")
    assert with_ids(full, ["z"]) == (full, [])
    # An id that is taken already is not given twice.
    assert with_ids(sdp, ["b"])[1] == ["section0", "section2"]
