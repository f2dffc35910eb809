"""Candidates in a description, as of a peer that does not trickle, and too many of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from trio_rtc.errors import NegotiationError
from trio_rtc.rtc import BundlePolicy, PeerConnection, open_media, open_peer_connection
from trio_rtc.rtc.backend.ice.restartable import MAX_REMOTE_CANDIDATES
from trio_rtc.rtc.backend.jsep.descriptions import (
    MAX_LINES,
    MAX_SECTIONS,
    MAX_TRANSPORTS,
    separate_candidates,
)
from trio_rtc.wire.messages import IceCandidate, SessionDescription

from ...pairs import Peer, open_channels, open_pair
from ...virtual import in_virtual_time
from .test_descriptions import CREDENTIALS, FINGERPRINT, LINE, OFFER

END = "a=end-of-candidates\r\n"


def with_candidates(description: SessionDescription, peer: Peer) -> SessionDescription:
    """Those of the peer in the first section, which owns the bundle, and no word of trickling."""
    session, first, *rest = description.sdp.replace("a=ice-options:trickle\r\n", "").split("m=")
    lines = [f"a={candidate.candidate}\r\n" for candidate in peer.candidates[:-1]]
    return replace(description, sdp="m=".join([session, first + "".join(lines) + END, *rest]))


async def gathered(peer: Peer) -> None:
    while not (peer.candidates and peer.candidates[-1].is_end):
        await wait_all_tasks_blocked(0.01)


def remote_candidates(connection: PeerConnection) -> int:
    paths = connection._loop_connection.exchange.paths.all()
    return sum(len(path._agent._remote_candidates) for path in paths)


@pytest.mark.parametrize("policy", ["max-bundle", "balanced"])
async def test_those_of_the_first_section_are_those_of_the_bundle(policy: BundlePolicy) -> None:
    with trio.fail_after(30):
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_pair(bundle_policy=policy) as (alice, bob),
        ):
            # Nothing travels but the descriptions.
            for peer in (alice, bob):
                peer.forwards = False
                peer.described.set()
            for track in (*tracks, *tracks):
                await alice.connection.add_track(track)
            channel = await alice.connection.create_data_channel("chat")
            offer = await alice.connection.set_local_description()
            await gathered(alice)
            await bob.connection.set_remote_description(with_candidates(offer, alice))
            answer = await bob.connection.set_local_description()
            await gathered(bob)
            await alice.connection.set_remote_description(with_candidates(answer, bob))
            await channel.wait_open()
            for peer in (alice, bob):
                described = peer.connection.remote_description
                assert described is not None
                assert "a=candidate:" in described.sdp


@in_virtual_time
async def test_one_that_does_not_parse_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    async with open_peer_connection() as connection:
        sdp = f"{OFFER}a=candidate:nonsense\r\na={LINE}\r\n{END}"
        await connection.set_remote_description(SessionDescription(type="offer", sdp=sdp))
        await connection.set_local_description()
        await wait_all_tasks_blocked(0.01)
        assert remote_candidates(connection) == 1
    assert "does not parse: 'nonsense'" in caplog.text


def test_where_they_come_from() -> None:
    sdp = f"{OFFER.replace('a=mid:0', 'a=mid:data')}a={LINE}  \r\n{END}m=audio 0 X 96\na={LINE}\n"
    rest, candidates = separate_candidates(SessionDescription(type="offer", sdp=sdp))
    assert candidates == [
        IceCandidate(candidate=LINE, sdp_mid="data", sdp_m_line_index=0),
        IceCandidate(candidate="", sdp_mid="data", sdp_m_line_index=0),
        IceCandidate(candidate=LINE, sdp_m_line_index=1),
    ]
    assert rest == OFFER.replace("a=mid:0", "a=mid:data") + "m=audio 0 X 96\r\n"


def test_the_end_for_all_sections() -> None:
    sdp = OFFER.replace("m=", END + "m=")
    _, candidates = separate_candidates(SessionDescription(type="offer", sdp=sdp))
    assert candidates == [IceCandidate(candidate="")]


def line(number: int) -> str:
    return LINE.replace("127.0.0.1", f"10.0.{number >> 8}.{number & 255}")


@pytest.mark.parametrize("embedded", [True, False])
@in_virtual_time
async def test_there_is_a_limit(embedded: bool) -> None:
    lines = [line(number) for number in range(MAX_REMOTE_CANDIDATES + 50)]
    sdp = OFFER + "".join(f"a={text}\r\n" for text in lines if embedded)
    async with open_peer_connection() as connection:
        await connection.set_remote_description(SessionDescription(type="offer", sdp=sdp))
        await connection.set_local_description()
        if not embedded:
            for text in lines:
                await connection.add_ice_candidate(IceCandidate(candidate=text, sdp_mid="0"))
        await wait_all_tasks_blocked(0.01)
        assert remote_candidates(connection) == MAX_REMOTE_CANDIDATES


@in_virtual_time
async def test_checks_from_many_ports() -> None:
    async with open_channels() as (ours, theirs, alice, _):
        [path] = alice.connection._loop_connection.exchange.paths.all()
        agent: Any = path._agent
        # Nothing is sent to anybody.
        agent.check_start_task = lambda pair: None
        check = SimpleNamespace(attributes={"PRIORITY": 1})

        async def receive_checks() -> None:
            for port in range(1, 500):
                agent.check_incoming(check, ("127.0.0.2", port), agent._protocols[0])

        await alice.connection._bridge.run(receive_checks)
        assert remote_candidates(alice.connection) == MAX_REMOTE_CANDIDATES
        assert len(agent._check_list) <= 2 * MAX_REMOTE_CANDIDATES
        await ours.send("still there?")
        assert await theirs.receive() == "still there?"


@pytest.mark.parametrize(
    "candidate", [LINE.replace("udp", "tcp") + " tcptype passive", LINE.replace("1 1", "1 2")]
)
@in_virtual_time
async def test_what_we_cannot_use_takes_no_room(candidate: str) -> None:
    async with open_peer_connection() as connection:
        await connection.set_remote_description(SessionDescription(type="offer", sdp=OFFER))
        await connection.add_ice_candidate(IceCandidate(candidate=candidate, sdp_mid="0"))
        assert remote_candidates(connection) == 0


SECTION = "m=audio 9 A 0\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\n" + CREDENTIALS + FINGERPRINT


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("".join(f"{SECTION}a=mid:{i + 1}\r\n" for i in range(MAX_SECTIONS)), "sections"),
        ("".join(f"{SECTION}a=mid:{i + 1}\r\n" for i in range(MAX_TRANSPORTS + 1)), "transports"),
        ("a=ssrc:1 cname:x\r\n" * MAX_LINES, "lines"),
    ],
)
@in_virtual_time
async def test_a_description_that_is_too_long(more: str, why: str) -> None:
    async with open_peer_connection() as connection:
        with pytest.raises(NegotiationError, match=why) as caught:
            await connection.set_remote_description(
                SessionDescription(type="offer", sdp=OFFER + more)
            )
        assert caught.value.code == "bad_description"
