"""Directions of other stacks: those that an answer should not have, and sections of one way."""

from __future__ import annotations

import re

import trio
from msgspec.structs import replace

from trio_rtc.rtc import open_media
from trio_rtc.wire.messages import SessionDescription

from ...pairs import Peer, open_pair

DIRECTION = re.compile(r"^a=(sendrecv|sendonly|recvonly|inactive)\r$", re.MULTILINE)


def directions(description: SessionDescription | None) -> list[str]:
    """Those of its media, in their order."""
    assert description is not None
    sections = re.split(r"(?=^m=)", description.sdp, flags=re.MULTILINE)[1:]
    return [DIRECTION.findall(section)[0] for section in sections if "m=application" not in section]


async def offer(alice: Peer, bob: Peer, *answered: str) -> list[str]:
    """Alice offers, and Bob's answer has these directions; those of the offer."""
    described = await alice.connection.set_local_description()
    await bob.connection.set_remote_description(described)
    alice.described.set()
    answer = await bob.connection.set_local_description()
    said = iter(answered)
    sdp = DIRECTION.sub(lambda _: f"a={next(said)}\r", answer.sdp)
    await alice.connection.set_remote_description(replace(answer, sdp=sdp))
    bob.described.set()
    return directions(described)


async def test_an_answer_with_the_direction_of_before_keeps_no_place() -> None:
    """libdatachannel goes on to say "sendrecv", though its offer is to receive only."""
    async with open_media(video="pattern") as [video], open_pair() as (alice, bob):
        with trio.fail_after(30):
            for _ in range(4):
                sender = await alice.connection.add_track(video)
                assert await offer(alice, bob, "sendrecv") == ["sendrecv"]
                await anext(aiter(await bob.tracks.receive()))
                await sender.stop()
                assert await offer(alice, bob, "sendrecv") == ["recvonly"]


async def test_a_section_in_which_the_other_side_only_sends_is_not_for_our_track() -> None:
    async with (
        open_media(video="pattern") as [video],
        open_media(video="pattern") as [another],
        open_pair() as (alice, bob),
    ):
        with trio.fail_after(30):
            alice.connection.offer_to_receive(["video"])
            await bob.connection.add_track(another)
            assert await offer(alice, bob, "sendonly") == ["recvonly"]
            seen = await alice.tracks.receive()
            await alice.connection.add_track(video)
            assert await offer(alice, bob, "sendonly") == ["sendrecv"]
            assert alice.connection.negotiation_needed
            assert await offer(alice, bob, "sendonly", "recvonly") == ["recvonly", "sendrecv"]
            assert not alice.connection.negotiation_needed
            _, seen_by_bob = await bob.tracks.receive(), await bob.tracks.receive()
            await anext(aiter(seen_by_bob))
            await anext(aiter(seen))
            # And what ends there makes room for the next one.
            [sender] = alice.connection.senders
            await sender.stop()
            await offer(alice, bob, "sendonly", "inactive")
            await alice.connection.add_track(video)
            assert len(await offer(alice, bob, "sendonly", "recvonly")) == 2


async def test_a_track_that_waits_for_a_section_can_end() -> None:
    async with open_media(video="pattern") as [video], open_pair() as (alice, bob):
        with trio.fail_after(30):
            first = await alice.connection.add_track(video)
            await first.stop()
            assert alice.connection.senders == ()
            alice.connection.offer_to_receive(["video"])
            await bob.connection.add_track(video)
            await offer(alice, bob, "sendonly")
            second = await alice.connection.add_track(video)
            await offer(alice, bob, "sendonly")
            assert alice.connection.negotiation_needed
            await second.stop()
            assert alice.connection.senders == ()
            assert not alice.connection.negotiation_needed
