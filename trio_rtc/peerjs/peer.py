"""A peer on a PeerJS server."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from ..errors import NegotiationError, SerializationError
from ..faults import RareWarnings
from ..rtc import Kind, MediaTrack
from ..signaling.events import State
from ..tasks import open_background_nursery
from ..wire import peerjs as wire
from ..wire.messages import SessionDescription
from ..wire.peerjs import Envelope
from ..world import world
from .connection_options import Options
from .connections import DataConnection, MediaConnection
from .link import PeerJSLink
from .outgoing import About, Kept
from .serialization import serialization as new_serialization
from .server_connection import ServerConnection

logger = logging.getLogger("trio_rtc.peerjs")

MAX_WAITING = 256
"""Connections of others that wait for `serve_peerjs`."""

MAX_OF_ONE_PEER = 16
"""Connections with one peer, those that are being set up included, when it wants another."""

MAX_OFFER_BYTES = 256 * 1024
"""Bytes of the offer of a connection, with its metadata; our server passes on no larger one."""

MAX_OVER = 1024
"""Connections of which it is remembered that they are over."""

_NOT_YET = SessionDescription(type="offer", sdp="")


class PeerJSPeer:
    """A peer that pages with PeerJS can connect to, from `open_peerjs`.

    Attributes:
        id: what others call it.
    """

    _server: ServerConnection

    def __init__(self, id: str, options: Options):  # noqa: A002
        self.id = id
        self._options = options
        self._warnings = RareWarnings(logger)
        self._links: dict[About, PeerJSLink] = {}
        # An offer may come twice, the second time when its connection is over already.
        self._over: deque[About] = deque(maxlen=MAX_OVER)
        self._arriving, self._waiting = trio.open_memory_channel[PeerJSLink](MAX_WAITING)
        self._declined, self._to_decline = trio.open_memory_channel[str](MAX_WAITING)

    @property
    def state(self) -> State:
        """``connected``; ``reconnecting``, as the last connection with the server is gone, and
        another one is tried; or ``lost``. Connections with other peers go on without it.
        """
        return self._server.state.now

    async def wait_for_state(self, *states: State) -> State:
        """Wait until the state is one of ``states``, and give it."""
        return await self._server.state.wait_for(states)

    @asynccontextmanager
    async def connect(
        self,
        peer: str,
        *,
        label: str | None = None,
        serialization: str = "binary",
        reliable: bool = True,
        metadata: Any = None,
    ) -> AsyncIterator[DataConnection]:
        """Open a data connection; the block begins when it stands, and closes it at its end.

        Args:
            peer: the other one's id.
            label: a name for it; by default its id.
            serialization: ``binary``, ``json`` or ``raw``.
            reliable: whether values arrive in order; without it, none is lost either.
            metadata: any JSON value, for the other side to look at.

        Raises:
            SerializationError: ``unknown_serialization``; ``bad_value``: the metadata is no JSON.
            UnknownPeer: ``peer_unavailable``.
            CallError: ``connect_timeout``, ``connection_lost`` (no path between the two),
                ``connection_closed``, ``peer_left``.
            NegotiationError: what the other side says cannot be used.
            SignalingLost: the server is lost.
        """
        form = new_serialization(serialization, self._options.max_message_bytes)
        if form is None:
            raise SerializationError(
                f"there is no serialization {serialization!r}, but binary, json and raw",
                code="unknown_serialization",
            )
        offer = wire.OfferPayload(
            sdp=_NOT_YET,
            type="data",
            connection_id=f"dc_{world().random_hex(8)}",
            metadata=_checked(metadata),
            label=label,
            reliable=reliable,
            serialization=serialization,
        )
        async with self._run(
            PeerJSLink(self._server, peer, offer, self._options, offering=True)
        ) as link:
            yield DataConnection(link, form)

    @asynccontextmanager
    async def call(
        self,
        peer: str,
        tracks: Iterable[MediaTrack] = (),
        *,
        receive: Iterable[Kind] = ("audio", "video"),
        metadata: Any = None,
    ) -> AsyncIterator[MediaConnection]:
        """Open a media connection; the block begins when it stands, and closes it at its end.

        Args:
            peer: the other one's id.
            tracks: what to send.
            receive: media that the other side may send, whether or not we send any.
            metadata: any JSON value, for the other side to look at.

        Raises:
            CallError: as `connect`; a page that does not answer is a ``connect_timeout``.
            UnknownPeer: ``peer_unavailable``.
            NegotiationError: what the other side says cannot be used.
            SerializationError: ``bad_value``: the metadata is no JSON.
            SignalingLost: the server is lost.
        """
        offer = wire.OfferPayload(
            sdp=_NOT_YET,
            type="media",
            connection_id=f"mc_{world().random_hex(8)}",
            metadata=_checked(metadata),
            reliable=True,
        )
        link = PeerJSLink(self._server, peer, offer, self._options, offering=True)
        async with self._run(link, tuple(tracks), tuple(receive)):
            yield MediaConnection(link)

    @asynccontextmanager
    async def _run(
        self, link: PeerJSLink, tracks: Sequence[MediaTrack] = (), receive: Sequence[Kind] = ()
    ) -> AsyncIterator[PeerJSLink]:
        key = (link.peer, link.offer.connection_id)
        self._links[key] = link
        try:
            if self._server.lost is not None:
                raise self._server.lost
            async with link.run(tracks, receive):
                self._server.stands(key)
                yield link
        finally:
            self._links.pop(key, None)
            self._over.append(key)
            self._server.over(key)

    # What the server says.

    def _receive(self, message: Envelope) -> None:
        if message.src is None:
            logger.debug("the server says %s about nobody", message.type)
        elif message.type == "OFFER":
            try:
                if not isinstance(message.payload, msgspec.UnsetType):
                    size = len(bytes(message.payload))
                    if size > MAX_OFFER_BYTES:
                        self._decline(message.src, f"its offer has {size} bytes")
                        return
                self._take_offer(message.src, wire.decode_payload(message, wire.OfferPayload))
            except NegotiationError as error:
                self._decline(message.src, str(error))
        elif message.type in ("LEAVE", "EXPIRE"):
            for (peer, _), link in self._links.items():
                if peer == message.src:
                    link.exchange.receive(message)
        else:
            try:
                connection = wire.decode_payload(message, wire.Addressed).connection_id
            except NegotiationError as error:
                self._warnings.warn("%s says what cannot be used: %s", message.src, error)
                return
            self._server.answered((message.src, connection))
            if (known := self._links.get((message.src, connection))) is not None:
                known.exchange.receive(message)
            else:
                logger.debug("%s speaks of a connection that is over", message.src)

    def _take_offer(self, src: str, offer: wire.OfferPayload) -> None:
        key = (src, offer.connection_id)
        if key in self._links or key in self._over:
            logger.debug("%s offers a connection for the second time", src)
            return
        if offer.sdp.type != "offer":
            self._decline(src, f"its offer says that it is of type {offer.sdp.type}")
            return
        if offer.type == "data" and new_serialization(offer.serialization, 0) is None:
            self._decline(src, f"there is no serialization {offer.serialization!r}")
            return
        link = PeerJSLink(self._server, src, offer, self._options, offering=False)
        if sum(peer == src for peer, _ in self._links) >= MAX_OF_ONE_PEER:
            self._decline(src, f"it has {MAX_OF_ONE_PEER} connections")
            return
        try:
            self._arriving.send_nowait(link)
        except trio.WouldBlock:
            self._decline(src, "too many wait")
            return
        # From here on it hears what else is said about it.
        self._links[key] = link

    def _decline(self, src: str, why: str) -> None:
        self._warnings.warn("declined a connection of %s: %s", src, why)
        self._notify_declined_soon(src)

    def _refuse(self, link: PeerJSLink) -> None:
        """Decline a connection that waited, or is being set up."""
        self._links.pop((link.peer, link.offer.connection_id), None)
        self._notify_declined_soon(link.peer)

    def _notify_declined_soon(self, src: str) -> None:
        try:
            self._declined.send_nowait(src)
        except trio.WouldBlock:
            logger.debug("too many are declined")

    async def _follow(self) -> None:
        """The task that declines, and at last tells that the server is lost."""
        async with open_background_nursery() as nursery:
            nursery.start_soon(self._notify_declined)
            lost = await self._server.wait_lost()
        for link in self._links.values():
            link.exchange.receive(lost)
        self._arriving.close()

    async def _notify_declined(self) -> None:
        async for src in self._to_decline:
            # PeerJS knows no other word for it: its page gets an error "peer-unavailable".
            await self._server.send(Kept(wire.encode("EXPIRE", dst=src)))


def _checked(metadata: Any) -> Any:
    try:
        return msgspec.json.decode(msgspec.json.encode(metadata))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise SerializationError(f"the metadata has no form in JSON: {error}") from error
