"""Transport-wide congestion control is used where both sides have both parts of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from trio_rtc.rtc import PeerConnection, open_media, open_peer_connection
from trio_rtc.rtc.backend import ledger
from trio_rtc.rtc.backend.media.congestion.numbered_packets import URI
from trio_rtc.wire.messages import SessionDescription

from ...lacking import lacking

Change = Callable[[str], str]


def section(description: SessionDescription, kind: str) -> str:
    [found] = re.findall(rf"^m={kind} .*?(?=^m=|\Z)", description.sdp, re.M | re.S)
    return str(found)


def says(description: SessionDescription, kind: str = "video") -> tuple[set[str], list[str]]:
    """The ids of its header extension, and the codecs with its feedback."""
    text = section(description, kind)
    with_feedback = re.findall(r"^a=rtcp-fb:(\d+) transport-cc\r?$", text, re.M)
    names = dict(re.findall(r"^a=rtpmap:(\d+) (\w+)/", text, re.M))
    ids = re.findall(rf"^a=extmap:(\d+) {re.escape(URI)}\r?$", text, re.M)
    return set(ids), [names[number] for number in with_feedback]


def changed(description: SessionDescription, change: Change) -> SessionDescription:
    return replace(description, sdp=change(description.sdp))


async def make_offer(connection: PeerConnection) -> SessionDescription:
    connection.offer_to_receive(["audio", "video"], data_channels=False)
    return await connection.set_local_description()


async def test_an_offer_has_it_for_video() -> None:
    async with open_peer_connection() as connection:
        offer = await make_offer(connection)
    ids, codecs = says(offer)
    assert len(ids) == 1
    # Not for what only sends others again.
    assert codecs == ["VP8", "H264", "H264"]
    assert says(offer, "audio") == (set(), [])


@pytest.mark.parametrize(
    ("change", "is_used"),
    [
        (lambda sdp: sdp, True),
        (lambda sdp: re.sub(r"a=rtcp-fb:\d+ transport-cc\r\n", "", sdp), False),
        (lambda sdp: re.sub(rf"a=extmap:\d+ {re.escape(URI)}\r\n", "", sdp), False),
        # As peers have it that count otherwise.
        (lambda sdp: re.sub(rf"a=extmap:\d+ {re.escape(URI)}", f"a=extmap:9 {URI}", sdp), True),
    ],
    ids=["both", "no feedback", "no numbers", "another id"],
)
async def test_an_answer_has_it_if_the_offer_has(change: Change, is_used: bool) -> None:
    async with (
        open_peer_connection() as alice,
        open_peer_connection() as bob,
        open_media(video="pattern") as [track],
    ):
        await bob.add_track(track)
        offer = changed(await make_offer(alice), change)
        await bob.set_remote_description(offer)
        answer = await bob.set_local_description()
        ids, codecs = says(answer)
        assert ids == (says(offer)[0] if is_used else set())
        assert codecs == (["VP8", "H264", "H264"] if is_used else [])
        assert says(answer, "audio") == (set(), [])


async def test_later_offers_have_it_again_as_it_was_agreed_on() -> None:
    async with open_peer_connection() as alice, open_peer_connection() as bob:
        offer = await make_offer(alice)
        offer = changed(
            offer, lambda sdp: re.sub(rf"a=extmap:\d+ {re.escape(URI)}", f"a=extmap:9 {URI}", sdp)
        )
        await bob.set_remote_description(offer)
        await bob.set_local_description()
        assert says(await bob.set_local_description()) == ({"9"}, ["VP8", "H264", "H264"])


async def test_an_answer_without_it_ends_it() -> None:
    async with open_peer_connection() as alice, open_peer_connection() as bob:
        offer = await make_offer(alice)
        await bob.set_remote_description(offer)
        answer = await bob.set_local_description()
        await alice.set_remote_description(
            changed(answer, lambda sdp: re.sub(r"a=rtcp-fb:\d+ transport-cc\r\n", "", sdp))
        )
        assert says(await alice.set_local_description()) == (set(), [])


async def test_without_what_is_private_there_is_none() -> None:
    with lacking("congestion", ledger.DTLS_TRANSPORT):
        async with open_peer_connection() as connection:
            assert says(await make_offer(connection)) == (set(), [])
