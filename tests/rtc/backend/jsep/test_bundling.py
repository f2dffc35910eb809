"""Peers that want a transport for each section (RFC 9143), and offers that have only one."""

from __future__ import annotations

import re

import pytest
import trio
from msgspec.structs import replace

from trio_rtc.errors import NegotiationError
from trio_rtc.rtc import BundlePolicy, open_media, open_peer_connection
from trio_rtc.wire.messages import SessionDescription

from ...pairs import Peer, negotiate, open_pair, without
from .test_descriptions import (
    CHANNELS,
    CREDENTIALS,
    FINGERPRINT,
    PORT,
    SESSION,
    VIDEO,
    answer_to,
)
from .test_renegotiation import first_frame, works


def transports(peer: Peer) -> int:
    return len(peer.connection._loop_connection.sections.ice_transports())


async def test_a_transport_for_each_section() -> None:
    with trio.fail_after(60):
        async with (
            open_media(video="pattern", audio="tone") as (video, audio),
            open_pair() as (alice, bob),
        ):
            await alice.connection.add_track(audio)
            ours = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob, unbundled=True)
            await ours.wait_open()
            theirs = await bob.channels.receive()
            await works(ours, theirs)
            await first_frame(await bob.tracks.receive())
            assert transports(alice) == transports(bob) == 2

            await alice.connection.add_track(video)
            await negotiate(alice, bob, unbundled=True)
            await works(ours, theirs)
            await first_frame(await bob.tracks.receive())
            assert transports(alice) == transports(bob) == 3


async def test_one_for_a_channel_and_another_for_what_comes_later() -> None:
    with trio.fail_after(60):
        async with open_media(video="pattern") as (video,), open_pair() as (alice, bob):
            ours = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob, unbundled=True)
            await ours.wait_open()
            theirs = await bob.channels.receive()
            await bob.connection.add_track(video)
            await negotiate(bob, alice, unbundled=True)
            await works(ours, theirs)
            await first_frame(await alice.tracks.receive())
            assert transports(alice) == transports(bob) == 2


async def test_an_answer_that_does_not_share_our_only_one() -> None:
    async with (
        open_media(audio="tone") as (tone,),
        open_peer_connection(bundle_policy="max-bundle") as ours,
        open_peer_connection() as theirs,
    ):
        await ours.add_track(tone)
        await ours.create_data_channel("chat")
        offer = await ours.set_local_description()
        await theirs.set_remote_description(without(offer, "a=group:BUNDLE"))
        answer = await theirs.set_local_description()
        with pytest.raises(NegotiationError, match="several transports") as caught:
            await ours.set_remote_description(without(answer, "a=group:BUNDLE"))
        assert (caught.value.code, caught.value.fault) == ("not_bundled", "remote")
        assert ours.signaling_state == "have-local-offer"
        await ours.roll_back()


async def test_an_only_section_needs_no_bundle() -> None:
    with trio.fail_after(30):
        async with open_pair(bundle_policy="max-bundle") as (alice, bob):
            ours = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob, unbundled=True)
            await works(ours, await bob.channels.receive())


async def test_a_bundle_has_one() -> None:
    with trio.fail_after(60):
        async with open_media(audio="tone") as (tone,), open_pair() as (alice, bob):
            await alice.connection.add_track(tone)
            ours = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await works(ours, await bob.channels.receive())
            assert transports(alice) == transports(bob) == 1


@pytest.mark.parametrize("group", [True, False])
async def test_all_but_one_section_are_rejected(group: bool) -> None:
    with trio.fail_after(30):
        async with open_pair(bundle_policy="max-bundle") as (alice, bob):
            alice.connection.offer_to_receive(["audio", "video"])
            ours = await alice.connection.create_data_channel("chat")
            offer = await alice.connection.set_local_description()
            # Bob is offered the channel only, and what stands before it is told to be rejected.
            session, _, _, channels = re.split("(?=^m=)", offer.sdp, flags=re.M)
            only = re.sub("a=group.*", "a=group:BUNDLE 2", session) + channels
            await bob.connection.set_remote_description(replace(offer, sdp=only))
            alice.described.set()
            answer = await bob.connection.set_local_description()
            session, channels = re.split("(?=^m=)", answer.sdp, flags=re.M)
            rejected = [
                f"m={kind} 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:{mid}\r\na=inactive\r\n"
                for mid, kind in enumerate(("audio", "video"))
            ]
            answer = replace(answer, sdp="".join([session, *rejected, channels]))
            if not group:
                answer = without(answer, "a=group:BUNDLE")
            await alice.connection.set_remote_description(answer)
            bob.described.set()
            await works(ours, await bob.channels.receive())


def only_first_has_transport(description: SessionDescription) -> SessionDescription:
    """The same, with what all sections share in the first of them only."""
    session, first, *others = re.split("(?=^m=)", description.sdp, flags=re.M)
    said = re.compile(r"a=(?:ice-|fingerprint|setup|rtcp).*\r\n")
    return replace(
        description, sdp=session + first + "".join(said.sub("", other) for other in others)
    )


@pytest.mark.parametrize("policy", ["max-bundle", "balanced"])
async def test_what_sections_share_is_said_once(policy: BundlePolicy) -> None:
    with trio.fail_after(60):
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_pair(bundle_policy=policy) as (alice, bob),
        ):
            for track in tracks:
                await alice.connection.add_track(track)
            ours = await alice.connection.create_data_channel("chat")
            offer = only_first_has_transport(await alice.connection.set_local_description())
            assert offer.sdp.count("a=ice-ufrag") == offer.sdp.count("a=rtcp-mux") == 1
            await bob.connection.set_remote_description(offer)
            alice.described.set()
            answer = only_first_has_transport(await bob.connection.set_local_description())
            await alice.connection.set_remote_description(answer)
            bob.described.set()
            await works(ours, await bob.channels.receive())
            for _ in tracks:
                await first_frame(await bob.tracks.receive())


VIDEO_SECTION = VIDEO + "a=rtpmap:97 VP8/90000\r\n" + CREDENTIALS + FINGERPRINT
CHANNELS_SECTION = CHANNELS.replace("mid:0", "mid:1") + PORT + CREDENTIALS + FINGERPRINT


@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        ("", []),
        ("a=group:BUNDLE\r\n", []),
        ("a=group:LS 0 1\r\n", []),
        ("a=group:BUNDLE 1\r\n", ["1"]),
        ("a=group:LS 0 1\r\na=group:BUNDLE 0 1\r\n", ["0 1"]),
        ("a=group:BUNDLE 0\r\na=group:BUNDLE 1\r\n", ["0"]),
    ],
)
async def test_an_answer_bundles_only_what_the_offer_does(
    offered: str, answered: list[str]
) -> None:
    session = SESSION.replace("a=group:BUNDLE 0\r\n", offered)
    answer = await answer_to(session + VIDEO_SECTION + CHANNELS_SECTION)
    assert re.findall(r"^a=group:BUNDLE *(.*?)\r", answer, re.M) == answered


async def test_a_section_without_an_id() -> None:
    offer = SESSION.replace("a=group:BUNDLE 0\r\n", "") + VIDEO_SECTION
    answer = await answer_to(offer.replace("a=mid:0\r\n", ""))
    assert "a=group" not in answer
    assert "a=mid" not in answer


async def test_a_section_for_the_bundle_only() -> None:
    session = SESSION.replace("BUNDLE 0", "BUNDLE 0 1")
    channels = CHANNELS.replace("mid:0", "mid:1").replace(" 9 ", " 0 ") + PORT + "a=bundle-only\r\n"
    answer = await answer_to(session + VIDEO_SECTION + channels)
    assert "a=group:BUNDLE 0 1\r\n" in answer
    assert "m=application 9 " in answer
