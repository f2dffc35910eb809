"""PeerJS's payloads into classic messages and back. No I/O.

A classic peer has one call with another peer, and PeerJS any number of connections: of these, the
newest is the call.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import msgspec

from ....errors import NegotiationError
from ....wire import peerjs as wire
from ....wire.messages import (
    BYE,
    Authenticate,
    Bye,
    IceCandidate,
    SessionDescription,
    decode,
    encode,
)
from ....wire.peerjs import Envelope, Kind
from ....world import world

ToPeerJS: TypeAlias = tuple[str, msgspec.Struct | msgspec.UnsetType]
"""The type and the payload of a message for a PeerJS client."""

_MEDIA = re.compile(r"^m=(?:audio|video) .*?(?=^m=|\Z)", re.MULTILINE | re.DOTALL)


class Translator:
    """What one PeerJS client and one peer of another kind say to each other."""

    def __init__(self) -> None:
        self._connection: str | None = None
        self._kind: Kind = "data"
        self._answered = False
        self._has_channel = True

    @property
    def connection(self) -> str | None:
        """The id that the PeerJS client knows it by, if there is one."""
        return self._connection

    def _begin(self, connection: str, kind: Kind, *, has_channel: bool) -> None:
        self._connection, self._kind, self._answered = connection, kind, False
        self._has_channel = has_channel

    def to_classic(self, envelope: Envelope) -> bytes | None:
        """What a message of the PeerJS client is for the other peer; None if it is nothing.

        Raises:
            NegotiationError: ``bad_message``: its payload is malformed.
        """
        match envelope.type:
            case "OFFER":
                offer = wire.decode_payload(envelope, wire.OfferPayload)
                self._begin(offer.connection_id, offer.type, has_channel=True)
                return _description(offer.sdp, "offer", offer.connection_id)
            case "ANSWER":
                answer = wire.decode_payload(envelope, wire.AnswerPayload)
                if answer.connection_id != self._connection:
                    return None
                self._answered = True
                return _description(answer.sdp, "answer", answer.connection_id)
            case "CANDIDATE":
                found = wire.decode_payload(envelope, wire.CandidatePayload)
                if found.connection_id != self._connection:
                    return None
                candidate = msgspec.structs.replace(found.candidate, call=found.connection_id)
                return encode(candidate)
        # LEAVE and EXPIRE: the end of what there is.
        if self._connection is None:
            return None
        self._connection = None
        return BYE

    def to_peerjs(self, body: bytes) -> list[ToPeerJS]:
        """What a message of the other peer is for the PeerJS client."""
        try:
            message = decode(body)
        except NegotiationError:
            return []
        if isinstance(message, SessionDescription) and message.type == "offer":
            return self._offer(message)
        if self._connection is None or message.call not in (None, self._connection):
            return []
        if isinstance(message, IceCandidate):
            if message.is_end:
                return []
            candidate = msgspec.structs.replace(message, call=None)
            return [("CANDIDATE", wire.CandidatePayload(candidate=candidate, **self._common()))]
        if isinstance(message, Bye):
            return self._bye()
        if isinstance(message, Authenticate):
            # Its clients know of no codes.
            return []
        self._answered = True
        sdp = msgspec.structs.replace(message, call=None)
        return [("ANSWER", wire.AnswerPayload(sdp=sdp, **self._common()))]

    def _offer(self, offer: SessionDescription) -> list[ToPeerJS]:
        if offer.call is not None and offer.call == self._connection:
            # PeerJS would take it for a new connection, and close the one that stands.
            return []
        sends_media = any("a=send" in section for section in _MEDIA.findall(offer.sdp))
        connection = offer.call or f"dc_{world().random_hex(8)}"
        self._begin(connection, "media" if sends_media else "data", has_channel=not sends_media)
        payload = wire.OfferPayload(
            sdp=msgspec.structs.replace(offer, call=None),
            reliable=True,
            serialization="raw",
            **self._common(),
        )
        return [("OFFER", payload)]

    def _bye(self) -> list[ToPeerJS]:
        """PeerJS has no word for the end of one connection, and finds out by its channel.

        A connection without one has to be ended with all others between the two.
        """
        self._connection = None
        if not self._answered:
            return [("EXPIRE", msgspec.UNSET)]
        if self._has_channel:
            return []
        return [("LEAVE", msgspec.UNSET)]

    def _common(self) -> dict[str, Any]:
        assert self._connection is not None
        return {"type": self._kind, "connection_id": self._connection}


def _description(sdp: SessionDescription, kind: str, call: str) -> bytes:
    if sdp.type != kind:
        raise NegotiationError(f"a description says {sdp.type}, where {kind} is due")
    return encode(msgspec.structs.replace(sdp, call=call))
