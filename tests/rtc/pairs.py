"""Two real connections in one process, over the interfaces of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import trio
from msgspec.structs import replace

from trio_rtc.errors import CallError
from trio_rtc.rtc import (
    ConnectionStateEvent,
    DataChannel,
    DataChannelEvent,
    IceCandidateEvent,
    MediaTrack,
    PeerConnection,
    TrackEvent,
    open_peer_connection,
)
from trio_rtc.wire.messages import IceCandidate, SessionDescription


@dataclass
class Peer:
    """One of them.

    Attributes:
        log: its events in short: ``candidate 0``, ``end 0``, ``connecting``, ``channel chat``,
            ``track video``, ``over``.
        candidates: those of its own, with their ends.
        forwards: whether the other side gets them.
        described: set once the other side has its description, and wants its candidates.
    """

    connection: PeerConnection
    log: list[str] = field(default_factory=list)
    candidates: list[IceCandidate] = field(default_factory=list)
    forwards: bool = True
    described: trio.Event = field(default_factory=trio.Event)
    connected: trio.Event = field(default_factory=trio.Event)
    failed: trio.Event = field(default_factory=trio.Event)
    over: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self._give_channel, self.channels = trio.open_memory_channel[DataChannel](100)
        self._give_track, self.tracks = trio.open_memory_channel[MediaTrack](100)

    async def relay_events(self, other: Peer) -> None:
        async for event in self.connection:
            match event:
                case IceCandidateEvent(candidate):
                    self.log.append(
                        f"{'end' if candidate.is_end else 'candidate'} {candidate.sdp_mid}"
                    )
                    self.candidates.append(candidate)
                    await self.described.wait()
                    if self.forwards:
                        with suppress(CallError):  # The other may be closed by now.
                            await other.connection.add_ice_candidate(candidate)
                case ConnectionStateEvent(state):
                    self.log.append(state)
                    if state == "connected":
                        self.connected.set()
                    elif state == "failed":
                        self.failed.set()
                case DataChannelEvent(channel):
                    self.log.append(f"channel {channel.label}")
                    await self._give_channel.send(channel)
                case TrackEvent(track):
                    self.log.append(f"track {track.kind}")
                    await self._give_track.send(track)
        self.log.append("over")
        self.over.set()


def transport(peer: Peer) -> Any:
    """Its SCTP transport, on the loop's side."""
    found = peer.connection._loop_connection._pc.sctp
    assert found is not None
    return found


@asynccontextmanager
async def open_pair(**options: Any) -> AsyncIterator[tuple[Peer, Peer]]:
    """Two connections that pass each other their candidates, but no description yet."""
    async with (
        open_peer_connection(**options) as first,
        open_peer_connection(**options) as second,
    ):
        alice, bob = Peer(first), Peer(second)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.relay_events, bob)
            nursery.start_soon(bob.relay_events, alice)
            yield alice, bob
            nursery.cancel_scope.cancel()


async def negotiate(
    alice: Peer, bob: Peer, *, strangers: bool = False, unbundled: bool = False
) -> None:
    """Alice offers, Bob answers.

    ``strangers`` do not find out that both are ours; ``unbundled``, neither knows of bundles.
    """
    unsaid = ["a=x-trio-rtc"] * strangers + ["a=group:BUNDLE"] * unbundled
    offer = await alice.connection.set_local_description()
    await bob.connection.set_remote_description(without(offer, *unsaid))
    alice.described.set()
    answer = await bob.connection.set_local_description()
    await alice.connection.set_remote_description(without(answer, *unsaid))
    bob.described.set()


def without(description: SessionDescription, *unsaid: str) -> SessionDescription:
    """The same, without the lines that begin with one of these."""
    lines = description.sdp.splitlines(keepends=True)
    kept = "".join(line for line in lines if not line.startswith(unsaid))
    return replace(description, sdp=kept)


@asynccontextmanager
async def open_channels(
    label: str = "chat", *, connection: Any = None, strangers: bool = False, **options: Any
) -> AsyncIterator[tuple[DataChannel, DataChannel, Peer, Peer]]:
    """Both ends of a channel, Alice's first, over a connection of their own."""
    with trio.fail_after(30):
        async with open_pair(**(connection or {})) as (alice, bob):
            ours = await alice.connection.create_data_channel(label, **options)
            await negotiate(alice, bob, strangers=strangers)
            await ours.wait_open()
            theirs = await bob.channels.receive()
            yield ours, theirs, alice, bob
