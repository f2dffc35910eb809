"""PeerJS clients that go on with another server."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import msgspec

from ...hub.hub import Mailbox
from ...hub.portable import Found
from ..membership import Transfer
from .peerjs_member import PeerJSMember


class _PeerJSState(msgspec.Struct, array_like=True):
    room: str
    id: str
    token: str
    subject: str | None
    attempt: tuple[str, int] | None


_decoder: msgspec.msgpack.Decoder[_PeerJSState] = msgspec.msgpack.Decoder(_PeerJSState)


class PeerJSTransfer(Transfer[PeerJSMember]):
    """How a client is told to other servers, and goes on there by its id and its token.

    Args:
        make: makes a member out of its room and id, its token, and its client network.
    """

    is_keyed = True
    # PeerJS knows no peer without a connection.
    linger_seconds = 0.0

    def __init__(self, make: Callable[[tuple[str, str], str, str], PeerJSMember]):
        self._make = make

    def key(self, key: Hashable) -> bytes:
        """Its room and its id."""
        assert isinstance(key, tuple)
        return "\0".join(key).encode("utf-8", "surrogatepass")

    def pack(self, peer: PeerJSMember) -> bytes:
        """What it shows when it connects again."""
        state = _PeerJSState(peer.room, peer.id, peer.token, peer.subject, peer.attempt)
        return msgspec.msgpack.encode(state)

    def unpack(
        self, found: Found, state: bytes, key: Hashable, client_network: str
    ) -> tuple[PeerJSMember, Mailbox]:
        """A member without a connection."""
        packed = _decoder.decode(state)
        peer = self._make((packed.room, packed.id), packed.token, client_network)
        peer.subject, peer.attempt = packed.subject, packed.attempt
        return peer, peer

    def restored(self, peer: PeerJSMember) -> None:
        """Its connection is there already."""
