"""What every connection of PeerJS is made of: an exchange, a `PeerConnection`, and its end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal

import trio

from ..errors import CallError
from ..rtc import (
    ConnectionState,
    ConnectionStateEvent,
    DataChannel,
    DataChannelEvent,
    IceCandidateEvent,
    Kind,
    MediaTrack,
    PeerConnection,
    TrackEvent,
    open_peer_connection,
)
from ..tasks import open_background_nursery
from ..wire import peerjs as wire
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
        connected: whether it has come about.
        channel: the data channel; in a media connection it does nothing but end with it.
        tracks: the tracks of the other side, as they come.
        end: whether the other side closed it or was lost; None while it stands.
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
        self.end: End | None = None
        self.connected = False
        self.exchange = LinkSignaling(self, server, peer, offer, offering=offering)
        self._options = options
        self._offering = offering
        self._arriving, self.tracks = trio.open_memory_channel[MediaTrack](MAX_TRACKS)
        self._has_refused = False
        self._settled = trio.Event()
        self._ended = trio.Event()
        self._changed = trio.Event()

    def __str__(self) -> str:
        return f"the {self.offer.type} connection {self.offer.connection_id} with {self.peer}"

    async def wait_verdict(self) -> End:
        """How the connection ended, when its channel has broken."""
        with trio.move_on_after(VERDICT_SECONDS):
            return await self.wait_ended()
        await self.close()
        return "closed"

    async def wait_ended(self) -> End:
        """Wait until the other side has closed the connection, or was lost."""
        await self._ended.wait()
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
        options = self._options
        deadline = trio.current_time() + options.connect_timeout
        async with (
            open_peer_connection(
                ice_servers=options.ice_servers,
                ice_transport_policy=options.ice_transport_policy,
                bundle_policy="max-bundle" if self._offering else "balanced",
                silence_timeout=options.silence_timeout,
                close_timeout=options.close_timeout,
                max_frame_pixels=options.max_frame_pixels,
                max_unread_bytes=options.max_unread_bytes,
            ) as connection,
            open_background_nursery() as nursery,
        ):
            self._connection = connection
            self._nursery = nursery
            with trio.move_on_at(deadline):
                await self._prepare(connection, tracks, receive)
                nursery.start_soon(self._watch)
                self.exchange.start(connection, options.connect_timeout, nursery)
                await self._settled.wait()
                if self._offering and self.channel is not None:
                    await self._wait_open(self.channel)
                self.connected = True
            if not self.connected:
                raise CallError(
                    f"{self} did not come about within {options.connect_timeout:g} s",
                    code="connect_timeout",
                    fault="network",
                )
            nursery.start_soon(self._see_whether_lost)
            try:
                yield
                if self.channel is not None:
                    # What was sent arrives first; and this is how PeerJS learns of the end.
                    await self.channel.aclose()
            finally:
                self._over("closed")

    async def _prepare(
        self, connection: PeerConnection, tracks: Sequence[MediaTrack], receive: Sequence[Kind]
    ) -> None:
        if self._offering:
            offer = self.offer
            self._use(
                await connection.create_data_channel(
                    offer.label or offer.connection_id, ordered=offer.reliable
                )
            )
            if offer.type == "media":
                connection.offer_to_receive(receive)
        for track in tracks:
            await connection.add_track(track)

    async def _wait_open(self, channel: DataChannel) -> None:
        try:
            await channel.wait_open()
        except trio.BrokenResourceError as error:
            raise CallError(f"{self} was closed at once", code="connection_closed") from error

    def _use(self, channel: DataChannel) -> None:
        self.channel = channel
        if self.offer.type == "media":
            self._nursery.start_soon(self._follow_channel, channel)
        elif not self._offering:
            self._settled.set()

    async def handle_leaving(self) -> None:
        """The other side has left the server, or wants all to be over."""
        if not self.connected:
            raise CallError(f"{self.peer} has left the server", code="peer_left")
        if not await self._connection.check_consent():
            await self.close()

    async def _watch(self) -> None:
        """Follow the connection: what it finds, what arrives over it, whether it stands."""
        async for event in self._connection:
            match event:
                case IceCandidateEvent(candidate):
                    self.exchange.found(candidate)
                case DataChannelEvent(channel) if self.channel is None:
                    self._use(channel)
                case DataChannelEvent(channel):
                    channel._start_closing()
                    if not self._has_refused:
                        self._has_refused = True
                        logger.warning("%s has one channel: %r is closed", self, channel.label)
                case TrackEvent(track):
                    with suppress(trio.WouldBlock):
                        self._arriving.send_nowait(track)
                case ConnectionStateEvent(state):
                    self._follow(state)
        self._over("closed")

    def _follow(self, state: ConnectionState) -> None:
        self._changed.set()
        self._changed = trio.Event()
        if state == "connected" and (self._offering or self.offer.type == "media"):
            self._settled.set()
        elif state == "failed" and self.connected:
            self._nursery.start_soon(self._close, "lost")
        elif state == "failed":
            self._over("lost")

    async def _follow_channel(self, channel: DataChannel) -> None:
        """The end of its channel is the end of a media connection."""
        try:
            async for _ in channel:
                pass
        except trio.ClosedResourceError:
            return
        except trio.BrokenResourceError:
            logger.debug("the channel of %s broke", self)
        await self._close("closed")

    async def _see_whether_lost(self) -> None:
        """The task that gives up a connection in which nothing is heard any more."""
        while self.end is None:
            while self._connection.connection_state != "disconnected":
                await self._changed.wait()
            with trio.move_on_after(self._options.lost_timeout) as patience:
                while self._connection.connection_state == "disconnected":
                    await self._changed.wait()
            if patience.cancelled_caught:
                await self._close("lost")

    async def _close(self, end: End) -> None:
        self._over(end)
        await self._connection.aclose()

    async def close(self) -> None:
        """Close it from our side, at once."""
        await self._close("closed")

    def _over(self, end: End) -> None:
        if not self.connected and not self._settled.is_set():
            if end == "lost":
                raise CallError(
                    f"{self.peer} cannot be reached: {self._connection.failure}",
                    code="connection_lost",
                    fault="network",
                )
            raise CallError(f"{self} was closed at once", code="connection_closed")
        if self.end is None:
            self.end = end
            self._arriving.close()
            self._ended.set()
