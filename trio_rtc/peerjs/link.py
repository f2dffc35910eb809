"""A connection of PeerJS, of data or media: a call session with one offer and one channel."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal

import trio

from ..calls.call_session import CallSession
from ..calls.lifecycle import CallEnd, CallEvent, CallState
from ..calls.negotiation import Negotiation
from ..calls.options import StepName
from ..rtc import ConnectionState, DataChannel, Kind, MediaTrack, PeerConnection
from ..wire import peerjs as wire
from ..wire.messages import IceCandidate, SessionDescription
from .connection_options import Options
from .offer_answer import LinkSignaling
from .server_connection import ServerConnection

logger = logging.getLogger("trio_rtc.peerjs")

End = Literal["closed", "lost"]

MAX_TRACKS = 1024
"""Tracks of the other side that may wait to be taken; what comes above that is dropped."""

VERDICT_SECONDS = 2.0
"""How much earlier a channel may break than its connection."""


class PeerJSLink:
    """One connection with another peer, of either kind and from either side.

    Args:
        peer: the id of the other one.
        offer: what is to be offered, or was: all but the description is the same on both sides.
        offering: whether it is ours.

    Attributes:
        exchange: what is said about it.
        session: its life, and its `PeerConnection`.
        channel: the data channel; in a media connection it does nothing but end with it.
        tracks: the tracks of the other side, as they come.
    """

    channel: DataChannel | None = None

    def __init__(
        self,
        server: ServerConnection,
        peer: str,
        offer: wire.OfferPayload,
        options: Options,
        *,
        offering: bool,
    ):
        self.peer = peer
        self.offer = offer
        negotiation = Negotiation(polite=False)
        self.session = CallSession(
            self, str(self), peer, negotiation, options, logger, calling=offering
        )
        self.exchange = LinkSignaling(
            self, self.session, negotiation, server, offer, offering=offering
        )
        self._options = options
        self._offering = offering
        self._arriving, self.tracks = trio.open_memory_channel[MediaTrack](MAX_TRACKS)
        self._has_refused = False
        self._to_send: Sequence[MediaTrack] = ()
        self._to_receive: Sequence[Kind] = ()

    def __str__(self) -> str:
        return f"the {self.offer.type} connection {self.offer.connection_id} with {self.peer}"

    @property
    def connected(self) -> bool:
        """Whether it has come about."""
        return self.session.life.has_come_about

    @property
    def end(self) -> End | None:
        """Whether the other side closed it or was lost; None while it stands."""
        end = self.session.life.end
        if end is None:
            return None
        return "lost" if end.reason == "connection_lost" else "closed"

    async def wait_verdict(self) -> End:
        """How the connection ended, when its channel has broken."""
        with trio.move_on_after(VERDICT_SECONDS):
            return await self.wait_ended()
        await self.close()
        return "closed"

    async def wait_ended(self) -> End:
        """Wait until the other side has closed the connection, or was lost."""
        await self.session.changes.wait_until(lambda: self.end is not None)
        assert self.end is not None
        return self.end

    @asynccontextmanager
    async def run(
        self, tracks: Sequence[MediaTrack] = (), receive: Sequence[Kind] = ()
    ) -> AsyncIterator[None]:
        """Set the connection up, keep it during the block, close it.

        Raises:
            CallError: ``connect_timeout``, ``connection_lost``, ``connection_closed``,
                ``peer_left``.
            UnknownPeer: ``peer_unavailable``.
            NegotiationError: what the other side says cannot be used.
            SignalingLost: it could not be asked.
        """
        self._to_send, self._to_receive = tracks, receive
        async with self.session.connect(
            self._options.ice_servers or (),
            "max-bundle" if self._offering else "balanced",
            trio.current_time() + self._options.connect_timeout,
            lambda: self.connected,
        ):
            self.session.nursery.start_soon(self._see_whether_lost)
            try:
                yield
                if self.channel is not None:
                    # What was sent arrives first; and this is how PeerJS learns of the end.
                    await self.channel.aclose()
            finally:
                self.session.step(CallEvent.HUNG_UP)

    async def handle_leaving(self) -> None:
        """The other side has left the server, or wants all to be over."""
        if not self.connected:
            self.session.step(CallEvent.PEER_LEFT)
        elif not await self.session.connection.check_consent():
            await self.close()

    async def close(self) -> None:
        """Close it from our side, at once."""
        await self._close(CallEvent.HUNG_UP)

    async def _close(self, event: CallEvent) -> None:
        self.session.step(event)
        await self.session.connection.aclose()

    def _use(self, channel: DataChannel) -> None:
        self.channel = channel
        if self.offer.type == "media":
            self.session.nursery.start_soon(self._follow_channel, channel)
        elif not self._offering:
            self.session.step(CallEvent.CONNECTED)

    async def _follow_channel(self, channel: DataChannel) -> None:
        """The end of its channel is the end of a media connection."""
        try:
            async for _ in channel:
                pass
        except trio.ClosedResourceError:
            return
        except trio.BrokenResourceError:
            logger.debug("the channel of %s broke", self)
        await self.close()

    async def _wait_open(self, channel: DataChannel) -> None:
        try:
            await channel.wait_open()
        except trio.BrokenResourceError:
            self.session.step(CallEvent.CONNECTION_CLOSED)
        else:
            self.session.step(CallEvent.CONNECTED)

    async def _see_whether_lost(self) -> None:
        """The task that gives up a connection in which nothing is heard any more."""
        session = self.session
        while self.end is None:
            await session.changes.wait_until(lambda: session.life.state is CallState.RESTORING)
            with trio.move_on_after(self._options.lost_timeout) as patience:
                await session.changes.wait_until(
                    lambda: session.life.state is not CallState.RESTORING
                )
            if patience.cancelled_caught:
                await self._close(CallEvent.CONNECTION_LOST)

    # What a session needs.

    async def prepare(self, connection: PeerConnection) -> None:
        """Open the one channel, and add what is to be sent."""
        if self._offering:
            offer = self.offer
            self._use(
                await connection.create_data_channel(
                    offer.label or offer.connection_id, ordered=offer.reliable
                )
            )
            if offer.type == "media":
                connection.offer_to_receive(self._to_receive)
        for track in self._to_send:
            await connection.add_track(track)

    async def negotiate(self) -> None:
        """The task that says what is to be said about it."""
        await self.exchange.negotiate()

    async def send(self, message: SessionDescription | IceCandidate) -> None:
        """Send it to the other side, as part of this connection."""
        await self.exchange.send(message)

    def authenticated(self, description: SessionDescription) -> SessionDescription:
        """PeerJS knows of no codes."""
        return description

    def trace(self, name: StepName, candidate: str = "") -> None:
        """Tell of a step."""
        logger.debug("%s: %s %s", self, name, candidate)

    def channel_arrived(self, channel: DataChannel) -> None:
        """The other side has opened a channel, which should be the only one."""
        if self.channel is None:
            self._use(channel)
            return
        channel._start_closing()
        if not self._has_refused:
            self._has_refused = True
            logger.warning("%s has one channel: %r is closed", self, channel.label)

    def track_arrived(self, track: MediaTrack) -> None:
        """The other side sends a track."""
        with suppress(trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            self._arriving.send_nowait(track)

    def follow(self, state: ConnectionState) -> None:
        """The connection stands, is not heard any more, or has failed."""
        match state:
            case "connected" if self.connected:
                self.session.step(CallEvent.CONNECTED)
            case "connected" if self.offer.type == "media":
                self.session.step(CallEvent.CONNECTED)
            case "connected" if self._offering:
                assert self.channel is not None
                self.session.nursery.start_soon(self._wait_open, self.channel)
            case "disconnected":
                self.session.step(CallEvent.DISCONNECTED)
            case "failed":
                self.session.nursery.start_soon(self._close, CallEvent.CONNECTION_LOST)

    async def connection_closed(self) -> None:
        """The other side has closed the connection, or we have."""
        self.session.step(CallEvent.CONNECTION_CLOSED)

    def ended(self, end: CallEnd) -> None:
        """There come no more tracks."""
        self._arriving.close()
