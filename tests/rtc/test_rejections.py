"""Sections that one side rejects."""

from __future__ import annotations

import re

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trio_rtc.messages import SessionDescription
from trio_rtc.rtc import open_media, open_peer_connection
from trio_rtc.rtc.loop.rejections import rejected, with_rejections, without_rejections
from trio_rtc.rtc.peer_connection import BundlePolicy

from .pairs import Peer, negotiate, open_channels, open_pair
from .test_descriptions import VIDEO_OFFER


def reject(sdp: str, kind: str) -> str:
    """What a browser says that does not want a section: next to nothing."""
    session, *sections = re.split(r"(?=^m=)", sdp, flags=re.MULTILINE)
    parts = []
    for section in sections:
        if section.startswith(f"m={kind} "):
            mid = re.search(r"^a=mid:(\S+)", section, re.MULTILINE)
            assert mid
            session = re.sub(rf"(?<=BUNDLE)(.*) {mid[1]}\b", r"\1", session)
            section = f"m={kind} 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid[1]}\r\n"
        parts.append(section)
    return session + "".join(parts)


async def answer_rejecting(alice: Peer, bob: Peer, kind: str) -> SessionDescription:
    """Alice offers, Bob rejects a kind; gives what Alice then has to apply."""
    offer = await alice.connection.set_local_description()
    await bob.connection.set_remote_description(offer)
    alice.described.set()
    answer = await bob.connection.set_local_description()
    answer = SessionDescription(type="answer", sdp=reject(answer.sdp, kind))
    await alice.connection.set_remote_description(answer)
    bob.described.set()
    return offer


@pytest.mark.parametrize("kind", ["video", "audio"])
async def test_an_answer_that_rejects_a_section_breaks_nothing(kind: str) -> None:
    with trio.fail_after(30):
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_pair(bundle_policy="max-bundle") as (alice, bob),
        ):
            for track in tracks:
                await alice.connection.add_track(track)
            channel = await alice.connection.create_data_channel("chat")
            await answer_rejecting(alice, bob, kind)
            await channel.wait_open()
            await channel.send("hello")
            assert await (await bob.channels.receive()).receive() == "hello"
            other = {"audio": "video", "video": "audio"}[kind]
            while (track := await bob.tracks.receive()).kind != other:
                pass
            await anext(aiter(track))


async def test_a_section_that_is_rejected_later_on_is_answered_in_kind() -> None:
    with trio.fail_after(30):
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_pair(bundle_policy="max-bundle") as (alice, bob),
        ):
            for track in tracks:
                await alice.connection.add_track(track)
            channel = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await channel.wait_open()
            offer = await alice.connection.set_local_description()
            changed = reject(offer.sdp, "video")
            await bob.connection.set_remote_description(
                SessionDescription(type="offer", sdp=changed)
            )
            answer = await bob.connection.set_local_description()
            assert rejected(answer.sdp) == rejected(changed) != []
            assert re.search(r"^m=video 0 ", answer.sdp, re.MULTILINE)
            await alice.connection.set_remote_description(answer)
            await channel.send("hello")
            assert await (await bob.channels.receive()).receive() == "hello"


def without_video_codecs(offer: SessionDescription) -> SessionDescription:
    """The same of a peer that has no codec of ours."""
    return replace(offer, sdp=re.sub(r"rtpmap:(\d+) (VP8|H264|rtx)/", r"rtpmap:\1 AV1/", offer.sdp))


@pytest.mark.parametrize("policy", ["max-bundle", "balanced"])
async def test_media_without_a_codec_in_common_is_rejected_and_breaks_nothing(
    policy: BundlePolicy,
) -> None:
    with trio.fail_after(60):
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_pair(bundle_policy=policy) as (alice, bob),
        ):
            for track in sorted(tracks, key=lambda track: track.kind):
                await alice.connection.add_track(track)
            channel = await alice.connection.create_data_channel("chat")
            offer = without_video_codecs(await alice.connection.set_local_description())
            await bob.connection.set_remote_description(offer)
            alice.described.set()
            answer = await bob.connection.set_local_description()
            assert re.search(r"^m=video 0 ", answer.sdp, re.MULTILINE)
            await alice.connection.set_remote_description(answer)
            bob.described.set()
            await channel.wait_open()
            assert (await bob.tracks.receive()).kind == "audio"


async def test_media_without_a_codec_in_common_may_come_later() -> None:
    with trio.fail_after(60):
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_channels() as (ours, theirs, alice, bob),
        ):
            for track in tracks:
                await alice.connection.add_track(track)
            offer = await alice.connection.set_local_description()
            await bob.connection.set_remote_description(without_video_codecs(offer))
            answer = await bob.connection.set_local_description()
            await alice.connection.set_remote_description(answer)
            assert (await bob.tracks.receive()).kind == "audio"
            await ours.send("hello")
            assert await theirs.receive() == "hello"
            # It has learned one.
            await negotiate(alice, bob)
            assert (await bob.tracks.receive()).kind == "video"


async def test_spaces_between_the_parameters_of_a_codec() -> None:
    offer = VIDEO_OFFER.replace("VP8", "H264") + (
        "a=fmtp:97 level-asymmetry-allowed=1; packetization-mode=1; profile-level-id=42e01f\r\n"
    )
    async with open_peer_connection() as connection:
        await connection.set_remote_description(SessionDescription(type="offer", sdp=offer))
        answer = await connection.set_local_description()
    assert re.search(r"a=fmtp:97 .*packetization-mode=1", answer.sdp)


def test_what_is_for_a_bundle_only_is_not_rejected() -> None:
    sdp = (
        "v=0\r\na=group:BUNDLE 0\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=bundle-only\r\n"
    )
    assert rejected(sdp) == []
    assert without_rejections(sdp, rejected(sdp), one_transport=True) == sdp


def test_a_description_that_rejects_everything_stays_as_it_is() -> None:
    sdp = "v=0\r\na=group:BUNDLE 0\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"
    assert rejected(sdp) == ["0"]
    assert without_rejections(sdp, rejected(sdp), one_transport=True) == sdp


@given(st.text(st.sampled_from("m=a:mid0 9\r\nvideoBUNDLEgroup-"), max_size=200))
def test_nothing_that_is_said_breaks_it(text: str) -> None:
    rejected(text)
    without_rejections(text, rejected(text), one_transport=True)
    with_rejections("v=0\r\n", rejected(text))
