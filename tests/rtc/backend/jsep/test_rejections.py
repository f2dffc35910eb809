"""Sections that one side rejects."""

from __future__ import annotations

import re

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trio_rtc.errors import NegotiationError
from trio_rtc.rtc import BundlePolicy, open_media, open_peer_connection
from trio_rtc.rtc.backend.jsep.rejections import rejected, with_rejections, without_rejections
from trio_rtc.wire.messages import SessionDescription

from ...pairs import Peer, negotiate, open_channels, open_pair
from .test_descriptions import CREDENTIALS, FINGERPRINT, VIDEO_OFFER


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


SECTIONS = st.lists(
    st.tuples(
        st.sampled_from(["m=video 0 UDP/TLS/RTP/SAVPF 96", "m=video 9 UDP/TLS/RTP/SAVPF 96",
                         "m=audio 0 UDP/TLS/RTP/SAVPF 0", "m=hologram 0 x", "m=audio", "m="]),
        st.sampled_from(["a=mid:0", "a=mid:1", "a=mid:2", "a=mid:", "a=sendrecv"]),
        st.sampled_from(["a=bundle-only", "a=ice-ufrag:abcd", "a=inactive"]),
    ),
    max_size=4,
)  # fmt: skip
SESSIONS = st.sampled_from(["v=0", "a=group:BUNDLE", "a=group:BUNDLE 0 1", "a=group:BUNDLE 0 0"])


@given(SESSIONS, SECTIONS, st.booleans())
def test_nothing_that_is_said_breaks_it(
    session: str, sections: list[tuple[str, ...]], one_transport: bool
) -> None:
    lines = [session, *(line for section in sections for line in section)]
    sdp = "".join(f"{line}\r\n" for line in lines)
    mids = rejected(sdp)
    ports = [section[0].split(" ")[1:2] == ["0"] for section in sections]
    assert len(mids) <= sum(ports)
    without = without_rejections(sdp, mids, one_transport=one_transport)
    if without != sdp:
        assert rejected(without) == []
    if all(section[0].count(" ") > 1 for section in sections):
        said = with_rejections(sdp, ["1"], {})
        assert all(
            f" 0 {rest}" in said
            for kind, mid, _ in sections
            if mid == "a=mid:1"
            for rest in [kind.split(" ", 2)[2]]
        )


def test_several_sections_that_live_and_no_bundle() -> None:
    def section(kind: str, port: int, mid: int) -> str:
        return f"m={kind} {port} UDP/TLS/RTP/SAVPF 0\r\na=mid:{mid}\r\na=ice-ufrag:u{mid}\r\n"

    two = "v=0\r\n" + section("audio", 9, 0) + section("audio", 9, 1) + section("video", 0, 2)
    # They are to share one, and do not.
    assert without_rejections(two, ["2"], one_transport=True) == two
    one = "v=0\r\n" + section("audio", 9, 0) + section("video", 0, 2)
    for sdp, one_transport in ((two, False), (one, False), (one, True)):
        shared = without_rejections(sdp, ["2"], one_transport=one_transport)
        assert "a=group:BUNDLE 0 2\r\n" in shared
        assert rejected(shared) == []
        assert shared.count("a=ice-ufrag:u0") == 2


def test_a_section_of_no_kind_that_is_known_is_one_of_sound_to_aiortc() -> None:
    sdp = (
        "v=0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "m=hologram 0 x\r\na=mid:1\r\n"
    )
    without = without_rejections(sdp, ["1"], one_transport=True)
    assert "a=group:BUNDLE 0 1\r\n" in without
    assert without.count("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n") == 2


UNUSABLE = {
    "a codec that we do not have": (
        "m=video 9 UDP/TLS/RTP/SAVPF 45\r\na=mid:x\r\na=rtcp-mux\r\na=sendrecv\r\n"
        "a=rtpmap:45 AV1/90000\r\n"
    ),
    "a kind that we do not know": (
        "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:x\r\na=rtpmap:98 t140/1000\r\n"
    ),
    "a profile that we do not know": "m=application 9 UDP/DTLS/BFCP *\r\na=mid:x\r\n",
    "two transports for one medium": (
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:x\r\na=rtpmap:0 PCMU/8000\r\n"
    ),
}


def with_section(offer: SessionDescription, section: str, place: int) -> SessionDescription:
    """The same offer with one section more, in the bundle."""
    session, *sections = re.split(r"(?=^m=)", offer.sdp, flags=re.MULTILINE)
    transport = re.findall(r"^a=(?:ice-|fingerprint|setup).*\r\n", sections[0], re.MULTILINE)
    sections.insert(place, section + "".join(transport))
    mids = [re.findall(r"^a=mid:(\S+)", part, re.MULTILINE)[0] for part in sections]
    session = re.sub(r"BUNDLE.*", f"BUNDLE {' '.join(mids)}\r", session)
    return replace(offer, sdp=session + "".join(sections))


def without_section(description: SessionDescription, mid: str) -> SessionDescription:
    session, *sections = re.split(r"(?=^m=)", description.sdp, flags=re.MULTILINE)
    kept = [section for section in sections if f"a=mid:{mid}\r" not in section]
    return replace(description, sdp=session + "".join(kept))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("name", UNUSABLE)
async def test_a_section_that_nobody_can_use_refuses_no_call(name: str, place: int) -> None:
    with trio.fail_after(30):
        async with (
            open_media(audio="tone") as [tone],
            open_pair(bundle_policy="max-bundle") as (alice, bob),
        ):
            await alice.connection.add_track(tone)
            channel = await alice.connection.create_data_channel("chat")
            offer = await alice.connection.set_local_description()
            more = with_section(offer, UNUSABLE[name], place)
            await bob.connection.set_remote_description(more)
            alice.described.set()
            answer = await bob.connection.set_local_description()
            first = UNUSABLE[name].splitlines()[0].replace(" 9 ", " 0 ", 1)
            assert answer.sdp.count("m=") == 3
            assert first in answer.sdp
            assert "BUNDLE 0 1\r" in answer.sdp
            assert first in (await bob.connection.gathered()).sdp
            await alice.connection.set_remote_description(without_section(answer, "x"))
            bob.described.set()
            await channel.wait_open()
            await anext(aiter(await bob.tracks.receive()))
            # Whatever comes later does not bring it back.
            await bob.connection.add_track(tone)
            again = await bob.connection.set_local_description()
            assert first in again.sdp
            assert not re.search(r"BUNDLE.* x\b", again.sdp)
            assert {candidate.sdp_mid for candidate in bob.candidates} <= {"0", "1"}


async def test_nothing_but_sections_that_nobody_can_use() -> None:
    async with open_peer_connection() as connection:
        for section, code in (("a codec", "no_common_codec"), ("a kind", "bad_description")):
            [name] = [name for name in UNUSABLE if name.startswith(section)]
            offer = SessionDescription(
                type="offer", sdp=VIDEO_OFFER[: VIDEO_OFFER.index("m=")] + UNUSABLE[name]
            )
            offer = replace(offer, sdp=offer.sdp.replace("BUNDLE 0", "BUNDLE x") + CREDENTIALS)
            offer = replace(offer, sdp=offer.sdp + FINGERPRINT)
            with pytest.raises(NegotiationError) as caught:
                await connection.set_remote_description(offer)
            assert caught.value.code == code


@pytest.mark.parametrize("kind", ["offer", "answer"])
async def test_a_description_is_the_same_wherever_it_is_read(kind: str) -> None:
    def lines(description: SessionDescription | None) -> list[str]:
        assert description is not None
        return [
            line
            for line in description.sdp.splitlines()
            if not line.startswith(("a=candidate", "a=end-of", "c=", "o=", "a=ice-options"))
        ]

    async with open_media(audio="tone") as [tone], open_pair() as (alice, bob):
        await alice.connection.add_track(tone)
        offer = await alice.connection.set_local_description()
        described, connection = offer, alice.connection
        if kind == "answer":
            connection = bob.connection
            more = with_section(offer, UNUSABLE["a codec that we do not have"], 1)
            await connection.set_remote_description(more)
            made = await connection.create_answer()
            described = await connection.set_local_description(made)
            assert "m=video 0 UDP/TLS/RTP/SAVPF 45\r" in made.sdp
            assert connection.remote_description is not None
            assert UNUSABLE["a codec that we do not have"].splitlines()[0].replace(
                " 9 ", " 0 "
            ) in (connection.remote_description.sdp)
        with_ports = re.compile(r"^(m=\S+) [1-9]\d*")
        told = [with_ports.sub(r"\1 9", line) for line in lines(described)]
        full = await connection.gathered()
        assert full == connection.local_description
        assert [with_ports.sub(r"\1 9", line) for line in lines(full)] == told
        assert "a=candidate" in full.sdp
        assert "a=end-of-candidates" in full.sdp
