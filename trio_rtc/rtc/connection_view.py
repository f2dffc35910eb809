"""State of a connection as the Trio side knows it, told by the loop's side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, cast

import trio

from ..wire.messages import IceCandidate, SessionDescription
from ..world import world
from .backend.jsep.descriptions import DEFAULT_MAX_MESSAGE_SIZE
from .backend.media.outgoing_media import OutgoingTrack
from .backend.media.tracks import Source
from .backend.sctp.channel import ChannelParameters, LoopChannel
from .channels.data_channel import DataChannel
from .channels.extension import ChannelLimits
from .connection_events import (
    ConnectionState,
    ConnectionStateEvent,
    DataChannelEvent,
    IceCandidateEvent,
    IceConnectionState,
    IceConnectionStateEvent,
    NegotiationNeededEvent,
    NetworkChangedEvent,
    PeerConnectionEvent,
    TrackEvent,
)
from .media.track import MediaTrack

SignalingState = Literal["stable", "have-local-offer", "have-remote-offer", "closed"]
"""W3C RTCSignalingState, without provisional answers."""

_STATES: Final = ("signaling", "ice", "connection")


class ConnectionView:
    """States and descriptions as they are now, and events as they happened.

    Args:
        channel: makes one that the other side has opened.
        track: makes one that the other side sends.
        sender_ended: is told of what is sent no more.

    Attributes:
        events: up to the end of the connection.
        closed: set at its end.
    """

    def __init__(
        self,
        channel: Callable[[LoopChannel, ChannelParameters], DataChannel],
        track: Callable[[Source], MediaTrack],
        sender_ended: Callable[[OutgoingTrack], None],
    ):
        self._channel = channel
        self._track = track
        self._sender_ended = sender_ended
        self._place = world().place()
        self._happened, self.events = trio.open_memory_channel[PeerConnectionEvent](math.inf)
        self.connection_state: ConnectionState = "new"
        self.ice_connection_state: IceConnectionState = "new"
        self.signaling_state: SignalingState = "stable"
        self.local: SessionDescription | None = None
        self.remote: SessionDescription | None = None
        self.negotiation_needed = False
        self.gathered = False
        self._described = trio.Event()
        self._holders = 0
        self._held: list[IceCandidate] = []
        self.channel_limits = ChannelLimits(DEFAULT_MAX_MESSAGE_SIZE)
        self.closed = trio.Event()

    # Posted from the loop's side.

    def _on_descriptions(
        self,
        local: SessionDescription | None,
        remote: SessionDescription | None,
        negotiation_needed: bool,
        gathered: bool,
    ) -> None:
        self.local, self.remote = local, remote
        self.gathered = gathered
        self._described.set()
        self._described = trio.Event()
        is_news = negotiation_needed and not self.negotiation_needed
        self.negotiation_needed = negotiation_needed
        if is_news and not self.closed.is_set():
            self._happened.send_nowait(NegotiationNeededEvent())

    def _on_limits(self, limits: ChannelLimits) -> None:
        self.channel_limits = limits

    def _on_candidate(self, candidate: IceCandidate) -> None:
        if self._holders:
            self._held.append(candidate)
        else:
            self._happened.send_nowait(IceCandidateEvent(candidate))

    def _on_network_change(self) -> None:
        if not self.closed.is_set():
            self._happened.send_nowait(NetworkChangedEvent())

    @contextmanager
    def holding_candidates(self) -> Iterator[None]:
        """Keep what is found until the description that it belongs to can be sent."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                held, self._held = self._held, []
                for candidate in held:
                    if not self.closed.is_set():
                        self._on_candidate(candidate)

    async def until_gathered(self) -> None:
        """Wait until a local description has all candidates, or the end of the connection."""
        # One that was taken back leaves none.
        while (self.local is None or not self.gathered) and not self.closed.is_set():
            await self._described.wait()

    def _on_states(self, connection: str, ice: str, signaling: str) -> None:
        before = self.signaling_state, self.ice_connection_state, self.connection_state
        for kind, old, new in zip(_STATES, before, (signaling, ice, connection), strict=True):
            if old != new:
                world().note("connection", self._place, f"{kind} {new}")
        if ice != self.ice_connection_state:
            self.ice_connection_state = cast(IceConnectionState, ice)
            self._happened.send_nowait(IceConnectionStateEvent(self.ice_connection_state))
        self.signaling_state = cast(SignalingState, signaling)
        if connection != self.connection_state:
            self.connection_state = cast(ConnectionState, connection)
            self._happened.send_nowait(ConnectionStateEvent(self.connection_state))

    def _on_channel(self, loop_channel: LoopChannel, parameters: ChannelParameters) -> None:
        self._happened.send_nowait(DataChannelEvent(self._channel(loop_channel, parameters)))

    def _on_track(self, source: Source) -> None:
        self._happened.send_nowait(TrackEvent(self._track(source)))

    def _on_sender_ended(self, outgoing: OutgoingTrack) -> None:
        self._sender_ended(outgoing)

    def _on_failure(self) -> None:
        self._on_states("failed", self.ice_connection_state, self.signaling_state)

    def _on_closed(self) -> None:
        self._on_states("closed", "closed", "closed")
        self.closed.set()
        self._described.set()
        self._happened.close()
