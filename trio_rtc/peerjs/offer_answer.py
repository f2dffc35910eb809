"""What the two sides of a connection say to each other through the server.

There is one offer and one answer: PeerJS never negotiates again on a connection, whatever is new
is another connection.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec
import trio

from ..calls import negotiation as todo
from ..calls.negotiator import Negotiator
from ..calls.options import StepName
from ..errors import NegotiationError, SignalingLost, TrioRTCError, UnknownPeer
from ..faults import RareWarnings
from ..rtc import PeerConnection
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
    def connected(self) -> bool:
        """Whether it has come about: what fails here then ends nothing any more."""

    async def handle_leaving(self) -> None:
        """The other side has left the server, or wants all to be over."""


class LinkSignaling:
    """Sends our half of it, and does what the other half asks for.

    Args:
        peer: the id of the other one.
        offer: what is to be offered, or was.
        offering: whether it is ours.
    """

    def __init__(
        self,
        subject: Subject,
        server: ServerConnection,
        peer: str,
        offer: wire.OfferPayload,
        *,
        offering: bool,
    ):
        self._subject = subject
        self._server = server
        self._peer = peer
        self._offer = offer
        self._offering = offering
        self._negotiation = todo.Negotiation(polite=False)
        self._negotiator: Negotiator
        self._is_too_much = False
        self._warnings = RareWarnings(logger)
        self._to_receive, self._received = trio.open_memory_channel[Envelope | SignalingLost](
            MAX_UNHEARD
        )

    def receive(self, message: Envelope | SignalingLost) -> None:
        """Take in what the other side says, or that nobody can say anything any more."""
        try:
            self._to_receive.send_nowait(message)
        except trio.WouldBlock:
            self._is_too_much = True

    def authenticated(self, description: SessionDescription) -> SessionDescription:
        """PeerJS knows of no codes."""
        return description

    def found(self, candidate: IceCandidate) -> None:
        """A candidate of ours."""
        self._negotiator.found(candidate)

    def start(self, connection: PeerConnection, timeout: float, nursery: trio.Nursery) -> None:
        """Begin, and go on until the nursery is cancelled."""
        self._negotiator = Negotiator(connection, self._negotiation, self, timeout)
        nursery.start_soon(self._negotiator.trickle_local)
        nursery.start_soon(self._negotiator.trickle_remote)
        nursery.start_soon(self._negotiate)

    async def _negotiate(self) -> None:
        """Begin, and then do what the other side says."""
        if self._offering:
            await self._negotiator.offer()
        else:
            self._check_whether_complete()
            await self._act(self._negotiation.receive(self._offer.sdp))
        async for message in self._received:
            with self.excusing_errors():
                self._check_whether_complete()
            if isinstance(message, SignalingLost):
                # A connection that stands needs no server.
                if not self._subject.connected:
                    raise message
                return
            with self.excusing_errors():
                await self._receive(message)

    def _check_whether_complete(self) -> None:
        if self._is_too_much:
            self._is_too_much = False
            raise NegotiationError(f"too much is said about {self._subject}")

    async def _receive(self, message: Envelope) -> None:
        match message.type:
            case "ANSWER":
                answer = wire.decode_payload(message, wire.AnswerPayload)
                await self._act(self._negotiation.receive(answer.sdp))
            case "CANDIDATE":
                candidate = wire.decode_payload(message, wire.CandidatePayload)
                await self._act(self._negotiation.receive(candidate.candidate))
            case "EXPIRE" if not self._negotiation.is_established:
                raise UnknownPeer(
                    f"{self._peer} cannot be reached through this server, or takes no such "
                    "connection",
                    code="peer_unavailable",
                    fault="remote",
                )
            case "LEAVE":
                await self._subject.handle_leaving()

    async def _act(self, action: todo.Action) -> None:
        match action:
            case todo.Answer() | todo.Accept():
                await self._negotiator.perform(action)
            case todo.AddCandidate(candidate):
                self._negotiator.receive(candidate)
            case todo.Keep():
                pass
            case _:
                logger.debug("dropped what was said about %s: %s", self._subject, action)

    # What a `Negotiator` needs.

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
                wire.encode(kind, dst=self._peer, payload=payload),
                about=(self._peer, offer.connection_id),
                is_offer=kind == "OFFER",
            )
        )

    def trace(self, name: StepName, candidate: str = "") -> None:
        """Tell of a step."""
        logger.debug("%s: %s %s", self._subject, name, candidate)

    def complain(self, error: TrioRTCError) -> None:
        """Log what does not end the connection."""
        self._warnings.warn("about %s: %s", self._subject, error, code=error.code)

    @contextmanager
    def excusing_errors(self) -> Iterator[None]:
        """A connection that stands needs no signaling; nor do broken candidates end one."""
        try:
            yield
        except TrioRTCError as error:
            harmless = isinstance(error, NegotiationError) and error.code == "bad_candidate"
            if not self._subject.connected and not harmless:
                raise
            self.complain(error)
