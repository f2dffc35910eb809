"""Messages between peers: descriptions, candidates and the hang-up, as JSON text.

The forms are those of the classic ``peerconnection`` clients. Between peers that are both
ours every message carries one more field, ``call``, which tells the messages of one call from
those of the one before it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, get_args

import msgspec

from ..errors import NegotiationError

DescriptionType = Literal["offer", "answer", "pranswer"]
"""W3C RTCSdpType; ``pranswer`` is an answer that another one follows."""

#: The classic hang-up: these bytes, bare, are the whole message.
BYE: Final = b"BYE"

Id: TypeAlias = Annotated[str, msgspec.Meta(max_length=256)]
"""What another peer gives names to; ours have 32 characters."""

CandidateLine: TypeAlias = Annotated[str, msgspec.Meta(max_length=2048)]
"""A candidate with all its extensions, some hundred characters (RFC 8839, section 5.1)."""

Share: TypeAlias = Annotated[str, msgspec.Meta(max_length=64)]
"""32 bytes in hexadecimal digits: one side's part of an exchange about a code."""

Tag: TypeAlias = Annotated[str, msgspec.Meta(max_length=128)]
"""64 bytes in hexadecimal digits, which only who knows the code can make."""

_T = TypeVar("_T")


class SessionDescription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An offer or an answer (W3C RTCSessionDescription).

    Attributes:
        type: what it is.
        sdp: the description itself (RFC 8866).
        call: the id of the call that it is about; None from those who do not name their calls.
        share: begins an exchange about a code that both know, see `Authenticate`.
    """

    type: DescriptionType
    sdp: str
    call: Id | None = None
    share: Share | None = None


class IceCandidate(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One ICE candidate, or the end of them (W3C RTCIceCandidateInit).

    Attributes:
        candidate: ``candidate:...`` without ``a=``; an empty one says that no more will come for
            this media section (W3C WebRTC, section 4.8.1).
        sdp_mid: the media section that it is for, by its ``mid``.
        sdp_m_line_index: the same by number, from 0.
        username_fragment: tells the ICE generation that it belongs to, which the end of candidates
            cannot tell otherwise.
        call: the id of the call that it is about; None from those who do not name their calls.
    """

    candidate: CandidateLine
    sdp_mid: Id | None = None
    sdp_m_line_index: int | None = msgspec.field(default=None, name="sdpMLineIndex")
    username_fragment: Id | None = None
    call: Id | None = None

    @property
    def is_end(self) -> bool:
        """Whether this is the end-of-candidates indication."""
        return not self.candidate

    @property
    def generation(self) -> str | None:
        """The user name fragment of the ICE generation that it belongs to, where it tells."""
        if self.username_fragment:
            return self.username_fragment
        found = re.search(r"\bufrag (\S+)", self.candidate)  # RFC 8839, section 5.4.
        return found[1] if found else None


class Bye(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="bye"):
    """The hang-up. Without ``call`` it travels in its classic form, which has no reason."""

    reason: str = ""
    call: Id | None = None


class Authenticate(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="authenticate"
):
    """What shows that its sender knows the code of a call, before that is answered.

    ``tag`` is the proof; the one who answers says its own ``share`` and ``fingerprint`` with it.
    """

    call: Id
    tag: Tag
    share: Share | None = None
    fingerprint: Id | None = None


Message: TypeAlias = SessionDescription | IceCandidate | Bye | Authenticate


def encode(message: Message) -> bytes:
    """The bytes that carry ``message`` to another peer."""
    if isinstance(message, Bye) and message.call is None:
        return BYE
    return msgspec.json.encode(message)


def decode(data: bytes) -> Message:
    """Read what a peer has sent.

    Raises:
        NegotiationError: ``bad_message`` (no JSON object, or not one of a peer's),
            ``bad_description``, ``bad_candidate`` or ``bad_authenticate`` (a field is missing or of
            another type),
            ``unknown_message`` (a ``type`` that is not known here).
    """
    if data.strip() == BYE:
        return Bye()
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise NegotiationError(f"a peer's message is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise NegotiationError("a peer's message is JSON, but not an object")
    kind = fields.get("type")
    if kind in get_args(DescriptionType):
        return _convert(fields, SessionDescription, "bad_description")
    if kind == "bye":
        return _convert(fields, Bye, "bad_message")
    if kind == "authenticate":
        return _convert(fields, Authenticate, "bad_authenticate")
    if "candidate" in fields and kind in (None, "candidate"):
        return _convert(_flat_candidate(fields), IceCandidate, "bad_candidate")
    if isinstance(kind, str):
        raise NegotiationError(f"unknown message type {kind[:40]!r}", code="unknown_message")
    raise NegotiationError("a peer's message is neither a description nor a candidate")


def is_of_call(data: bytes) -> bool:
    """Whether a message is one of those that peers set a call up with, be it a broken one."""
    try:
        decode(data)
    except NegotiationError as error:
        return error.code not in ("bad_message", "unknown_message")
    return True


def _flat_candidate(fields: dict[str, Any]) -> dict[str, Any]:
    """Undo what peers do to a candidate: nest the browser's object, or send null for the end."""
    inner = fields["candidate"]
    if isinstance(inner, dict):
        fields = {**fields, "candidate": "", **inner}
    elif inner is None:
        fields = {**fields, "candidate": ""}
    return {name: value for name, value in fields.items() if name != "type"}


def _convert(fields: dict[str, Any], kind: type[_T], code: str) -> _T:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise NegotiationError(f"a peer's message is malformed: {error}", code=code) from error
