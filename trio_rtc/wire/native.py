"""The native signaling protocol, ``trio-rtc.v1``: the messages on the wire, and nothing else.

A text frame holds one message, a JSON object whose ``type`` tells which. Fields that are not
known here are passed over, so that a later version may add some.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias, get_args

import msgspec

SUBPROTOCOL: Final = "trio-rtc.v1"
"""How the protocol is named in an opening handshake (RFC 6455, section 1.9)."""

NATIVE: Final = "native"
"""How the protocol is named among others that a server speaks."""

SERVER_HEADER: Final = "Signaling-Server"
SERVER_NAME: Final = "trio-rtc"
"""The header by which an answer of a server is told from one of what stands in between.

``Server`` would not do: proxies put their own name there.
"""

SESSION_HEADER: Final = "Signaling-Session"
"""The header by which a classic client learns what shows that a request is of its session."""

#: JSON numbers are exact up to here in every language (RFC 8259, section 6).
_LARGEST: Final = 2**53 - 1

REFUSED_AT_ONCE: Final = 1024
"""How many messages one `Refuse` names."""

Id = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]
Seq = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]
Count = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]
Received = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]


def told_protocol(protocol: str) -> str:
    """How a peer speaks, for a message: that leaves out the very default, and not one like it."""
    return protocol if protocol not in ("", NATIVE) else NATIVE


class _NativeMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=str.lower):
    pass


class PeerEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody else in the room. ``protocol`` is missing if it is this one."""

    id: Id
    name: str
    protocol: str = NATIVE


class IceServerEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A STUN or TURN server (W3C RTCIceServer)."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class Hello(_NativeMessage, frozen=True, kw_only=True):
    """Client: open a session."""

    name: str
    room: str = ""
    token: str | None = None


class Resume(_NativeMessage, frozen=True, kw_only=True):
    """Client: go on with a session; ``received`` is the last number that arrived.

    ``attempt`` rises from one to the next, so that one that is late is known for what it is.
    """

    session: str
    received: Received
    attempt: Seq | None = None


class _Content(_NativeMessage, frozen=True, kw_only=True, gc=False):
    """Bytes: as ``data`` if they are UTF-8, otherwise in base64 (RFC 4648) as ``data64``."""

    data: str | None = None
    data64: bytes | None = None

    def __post_init__(self) -> None:
        if (self.data is None) == (self.data64 is None):
            raise ValueError("either data or data64 is needed")

    @property
    def body(self) -> bytes:
        if self.data64 is not None:
            return self.data64
        assert self.data is not None
        return self.data.encode()


class Send(_Content, frozen=True, kw_only=True, gc=False):
    """Client, numbered: give this to a peer."""

    seq: Seq
    to: Id


class Refuse(_NativeMessage, frozen=True, kw_only=True):
    """Client, numbered: there is no place for the messages with the numbers ``of``."""

    seq: Seq
    of: Annotated[list[Seq], msgspec.Meta(min_length=1, max_length=REFUSED_AT_ONCE)]


class Token(_NativeMessage, frozen=True, kw_only=True):
    """Client: go on with the session by another token."""

    token: str


class Leave(_NativeMessage, frozen=True, kw_only=True):
    """Client: end the session."""


class Ping(_NativeMessage, frozen=True, kw_only=True):
    """Client: answer with a `Pong`. For clients that cannot send WebSocket's own pings."""


class Pong(_NativeMessage, frozen=True, kw_only=True):
    """Server: the answer to a `Ping`."""


class Ack(_NativeMessage, frozen=True, kw_only=True, gc=False):
    """Both: everything up to this number has arrived."""

    received: Received


class Welcome(_NativeMessage, frozen=True, kw_only=True):
    """Server: the session is open.

    ``messages_per_second`` and ``messages_burst`` are what a client has to keep to,
    ``mailbox_messages`` and ``mailbox_bytes`` what may wait for its acknowledgement. A server that
    tells these understands `Refuse`.
    """

    id: Id
    name: str
    room: str
    session: str
    peers: list[PeerEntry]
    resume_seconds: Annotated[float, msgspec.Meta(ge=0)]
    max_message_bytes: Count
    messages_per_second: Annotated[float, msgspec.Meta(gt=0)]
    messages_burst: Annotated[float, msgspec.Meta(ge=1)]
    mailbox_messages: Count | None = None
    mailbox_bytes: Count | None = None
    received: Received = 0
    ice_servers: list[IceServerEntry] = []
    token_seconds: float | None = None


class Resumed(_NativeMessage, frozen=True, kw_only=True):
    """Server: the session goes on; ``received`` is the last number that arrived."""

    received: Received


class TokenAccepted(_NativeMessage, frozen=True, kw_only=True, tag="token_accepted"):
    """Server: the session may go on for ``token_seconds``; for ever if that is missing."""

    token_seconds: float | None = None


class Joined(_NativeMessage, frozen=True, kw_only=True):
    """Server, numbered: somebody has come. ``protocol`` is missing if it is this one."""

    seq: Seq
    id: Id
    name: str
    protocol: str = NATIVE


class Left(_NativeMessage, frozen=True, kw_only=True):
    """Server, numbered: somebody has gone."""

    seq: Seq
    id: Id


class Message(_Content, frozen=True, kw_only=True, gc=False):
    """Server, numbered: a peer has sent this."""

    seq: Seq
    from_: Id = msgspec.field(name="from")


class Failed(_NativeMessage, frozen=True, kw_only=True):
    """Server, numbered: what the client sent to a peer with the number ``of`` reached nobody."""

    seq: Seq
    of: Seq
    to: Id
    code: str
    message: str


class IceServers(_NativeMessage, frozen=True, kw_only=True, tag="ice_servers"):
    """Server, numbered: use these from now on."""

    seq: Seq
    ice_servers: list[IceServerEntry]


class Error(_NativeMessage, frozen=True, kw_only=True):
    """Server: what is wrong, in one sentence, with something that has no number."""

    code: str
    message: str


FromClient: TypeAlias = Hello | Resume | Send | Refuse | Ack | Token | Ping | Leave
Numbered: TypeAlias = Joined | Left | Message | Failed | IceServers
FromServer: TypeAlias = Welcome | Resumed | Numbered | Ack | TokenAccepted | Pong | Error


class BadMessage(ValueError):
    """A frame holds no message of this protocol."""


class UnknownType(BadMessage):
    """It holds a message of a type that is not known here."""


class _Typed(msgspec.Struct, frozen=True):
    """Whatever has a type."""

    type: str


_encoder = msgspec.json.Encoder()
_from_client: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)
_from_server: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)
#: The rest of a message that is not known is passed over without making anything of it.
_typed: msgspec.json.Decoder[_Typed] = msgspec.json.Decoder(_Typed)

_client_types: Final = {str(kind.__struct_config__.tag) for kind in get_args(FromClient)}
_server_types: Final = {str(kind.__struct_config__.tag) for kind in get_args(FromServer)}

encode = _encoder.encode

#: What the decoders raise.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode_from_client(text: str) -> FromClient:
    """Read what a client has sent.

    Raises:
        UnknownType: its type is none that a client has.
        BadMessage: it is no JSON, no object, or a field is missing or of the wrong kind.
    """
    try:
        return _from_client.decode(text)
    except _UNREADABLE as error:
        raise _fault(text, _client_types, error) from error


def decode_from_server(text: str) -> FromServer:
    """Read what a server has sent.

    Raises:
        UnknownType: its type is none that a server has.
        BadMessage: it is no JSON, no object, or a field is missing or of the wrong kind.
    """
    try:
        return _from_server.decode(text)
    except _UNREADABLE as error:
        raise _fault(text, _server_types, error) from error


def _fault(text: str, types: set[str], error: Exception) -> BadMessage:
    if (type_ := _type(text)) is not None and type_ not in types:
        return UnknownType(f"no message has the type {type_[:40]!r}")
    return BadMessage(f"this is no message of {SUBPROTOCOL}: {error}")


def _type(text: str) -> str | None:
    try:
        return _typed.decode(text).type
    except _UNREADABLE:
        return None


def content(body: bytes) -> tuple[str | None, bytes | None]:
    """``data`` and ``data64`` of the `Send` or `Message` that carries these bytes."""
    try:
        return body.decode(), None
    except UnicodeDecodeError:
        return None, body
