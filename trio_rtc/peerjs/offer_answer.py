"""Signaling of a PeerJS connection: what its two sides say to each other through the server.

There is one offer and one answer: PeerJS never negotiates again on a connection, whatever is new
is another connection.
"""

from __future__ import annotations

import logging
from typing import Protocol

import msgspec
import trio

from ..calls import negotiation as todo
from ..calls.call_session import CallSession
from ..calls.lifecycle import CallEvent
from ..errors import NegotiationError, SignalingLost, UnknownPeer
from ..wire import peerjs as wire
from ..wire.messages import IceCandidate, SessionDescription
from ..wire.peerjs import Envelope
from .outgoing import Kept
from .server_connection import ServerConnection

logger = logging.getLogger("trio_rtc.peerjs")

MAX_UNHEARD = 1024
"""Messages of the other side that wait to be looked at."""


class Subject(Protocol):
    """The connection that it is about."""

    @property
    def peer(self) -> str:
        """The id of the other one."""

    async def handle_leaving(self) -> None:
        """The other side has left the server, or wants all to be over."""


class LinkSignaling:
    """Sends our half of it, and does what the other half asks for.

    Args:
        offer: what is to be offered, or was.
        offering: whether it is ours.
    """

    def __init__(
        self,
        subject: Subject,
        session: CallSession,
        negotiation: todo.Negotiation,
        server: ServerConnection,
        offer: wire.OfferPayload,
        *,
        offering: bool,
    ):
        self._subject = subject
        self._session = session
        self._negotiation = negotiation
        self._server = server
        self._offer = offer
        self._offering = offering
        self._is_too_much = False
        self._to_receive, self._received = trio.open_memory_channel[Envelope | SignalingLost](
            MAX_UNHEARD
        )

    def receive(self, message: Envelope | SignalingLost) -> None:
        """Take in what the other side says, or that nobody can say anything any more."""
        try:
            self._to_receive.send_nowait(message)
        except trio.WouldBlock:
            self._is_too_much = True

    async def negotiate(self) -> None:
        """Begin, and then do what the other side says."""
        if self._offering:
            await self._session.negotiator.offer()
            self._session.step(CallEvent.OFFER_SENT)
        else:
            self._session.step(CallEvent.OFFER_TAKEN)
            self._check_whether_complete()
            await self._session.perform(self._negotiation.receive(self._offer.sdp))
        async for message in self._received:
            with self._session.excusing_errors():
                self._check_whether_complete()
            if isinstance(message, SignalingLost):
                # A connection that stands needs no server.
                if not self._session.life.has_come_about:
                    raise message
                return
            with self._session.excusing_errors():
                await self._receive(message)

    def _check_whether_complete(self) -> None:
        if self._is_too_much:
            self._is_too_much = False
            raise NegotiationError(f"too much is said about {self._subject}")

    async def _receive(self, message: Envelope) -> None:
        match message.type:
            case "ANSWER":
                answer = wire.decode_payload(message, wire.AnswerPayload)
                await self._session.perform(self._negotiation.receive(answer.sdp))
            case "CANDIDATE":
                candidate = wire.decode_payload(message, wire.CandidatePayload)
                await self._session.perform(self._negotiation.receive(candidate.candidate))
            case "EXPIRE" if not self._negotiation.is_established:
                raise UnknownPeer(
                    f"{self._subject.peer} cannot be reached through this server, or takes no such "
                    "connection",
                    code="peer_unavailable",
                    fault="remote",
                )
            case "LEAVE":
                await self._subject.handle_leaving()

    async def send(self, message: SessionDescription | IceCandidate) -> None:
        """Send it to the other side, as part of this connection."""
        offer = self._offer
        payload: msgspec.Struct
        if isinstance(message, IceCandidate):
            if message.is_end:
                return
            kind = "CANDIDATE"
            payload = wire.CandidatePayload(
                candidate=message, type=offer.type, connection_id=offer.connection_id
            )
        elif message.type == "offer":
            kind, payload = "OFFER", msgspec.structs.replace(offer, sdp=message)
        else:
            kind = "ANSWER"
            payload = wire.AnswerPayload(
                sdp=message, type=offer.type, connection_id=offer.connection_id
            )
        await self._server.send(
            Kept(
                wire.encode(kind, dst=self._subject.peer, payload=payload),
                about=(self._subject.peer, offer.connection_id),
                is_offer=kind == "OFFER",
            )
        )
