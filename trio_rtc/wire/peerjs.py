"""PeerJS's protocol between clients and a server: the messages on the wire, and nothing else.

A text frame holds one JSON object with a ``type``; those between peers have ``src``, ``dst`` and
a ``payload``, which servers pass on as it is. After PeerJS 1.5 and its server 1.0.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from ..errors import NegotiationError
from .messages import IceCandidate, Id, SessionDescription

_T = TypeVar("_T")

DEFAULT_KEY: Final = "peerjs"
CLIENT_VERSION: Final = "1.5.5"
"""The release of PeerJS whose protocol this is."""

#: Between peers: a server passes them on.
RELAYED: Final = frozenset({"OFFER", "ANSWER", "CANDIDATE", "LEAVE", "EXPIRE"})
#: Of these, what is worth nothing to somebody who comes later.
FLEETING: Final = frozenset({"LEAVE", "EXPIRE"})

MAX_ID: Final = 256
#: Whom a message is for may also be a peer of another protocol, whose name may be longer.
MAX_ADDRESS: Final = 512

#: As PeerJS checks it before it asks a server.
_ID: Final = re.compile(r"[A-Za-z0-9]+(?:[ _-][A-Za-z0-9]+)*")

Serialization = Literal["binary", "binary-utf8", "json", "raw"]
Kind = Literal["data", "media"]


def is_valid_id(text: str) -> bool:
    """Whether a peer can have this id."""
    return len(text) <= MAX_ID and _ID.fullmatch(text) is not None


_CONNECTION: Final = {"connection_id": "connectionId"}


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message. ``src`` is what the server says; of a client it means nothing."""

    type: str
    src: str | None = None
    dst: Annotated[str, msgspec.Meta(max_length=MAX_ADDRESS)] | None = None
    payload: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class OfferPayload(msgspec.Struct, frozen=True, kw_only=True, rename=_CONNECTION):
    """The payload of an OFFER: a new connection."""

    sdp: SessionDescription
    type: Kind
    connection_id: Id
    metadata: Any = None
    label: str | None = None
    reliable: bool = False
    serialization: str | None = None


class AnswerPayload(msgspec.Struct, frozen=True, kw_only=True, rename=_CONNECTION):
    """The payload of an ANSWER."""

    sdp: SessionDescription
    type: Kind
    connection_id: Id


class CandidatePayload(msgspec.Struct, frozen=True, kw_only=True, rename=_CONNECTION):
    """The payload of a CANDIDATE. PeerJS sends no end of them."""

    candidate: IceCandidate
    type: Kind
    connection_id: Id


class Addressed(msgspec.Struct, frozen=True, kw_only=True, rename=_CONNECTION):
    """What the payloads of all these have: which connection they are about."""

    connection_id: str


class ErrorPayload(msgspec.Struct, frozen=True):
    """The payload of an ERROR, an ID-TAKEN and an INVALID-KEY."""

    msg: str = ""


def decode(text: str | bytes) -> Envelope:
    """Read a message.

    Raises:
        NegotiationError: ``bad_message``: it is no JSON object with a type, or a field is of
            another kind.
    """
    return _decode(text, Envelope)


def decode_payload(envelope: Envelope, kind: type[_T]) -> _T:
    """Read the payload of a message.

    Raises:
        NegotiationError: ``bad_message``: it is none of this kind.
    """
    payload = b"null" if envelope.payload is msgspec.UNSET else bytes(envelope.payload)
    return _decode(payload, kind)


def _decode(data: str | bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NegotiationError(f"this is no message of PeerJS: {error}") from error


def encode(
    type: str,  # noqa: A002
    *,
    src: str | None = None,
    dst: str | None = None,
    payload: msgspec.Struct | msgspec.Raw | msgspec.UnsetType = msgspec.UNSET,
) -> bytes:
    """A message as it is sent, with a payload of this module or the one of another message."""
    raw = (
        msgspec.Raw(msgspec.json.encode(payload))
        if isinstance(payload, msgspec.Struct)
        else payload
    )
    return msgspec.json.encode(Envelope(type=type, src=src, dst=dst, payload=raw))


def query(key: str, id: str, token: str) -> str:  # noqa: A002
    """The query of a WebSocket's address."""
    asked = {"key": key, "id": id, "token": token, "version": CLIENT_VERSION}
    # Servers differ in whether a plus sign is a space.
    return urlencode(asked, quote_via=quote, safe="")
