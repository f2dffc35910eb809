"""WHIP sessions that go on with another server, which has been asked for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from typing import Final

import msgspec

from ...hub.hub import Mailbox
from ...hub.portable import Found
from ..membership import Transfer
from .whip_session import Called, WhipSession

#: So much of a digest is one that nobody else has.
KEY_BYTES: Final = 16


class _WhipSessionState(msgspec.Struct, array_like=True):
    called: int
    name: str
    offer: str
    answer: str | None
    generation: int


_decoder: msgspec.msgpack.Decoder[_WhipSessionState] = msgspec.msgpack.Decoder(_WhipSessionState)


class WhipTransfer(Transfer[WhipSession]):
    """How a session is told to other servers: its client's requests may come to any of them.

    Args:
        make: makes a session out of its client network, the peer that is called, the offer, and
            the last segment of its URL.
    """

    is_keyed = True
    # Its client has no connection by which to notice that its server has gone.
    linger_seconds = 0.0

    def __init__(self, make: Callable[[str, Called, str, str], WhipSession]):
        self._make = make

    def key(self, key: Hashable) -> bytes:
        """As much of the digest of its secret as it takes."""
        assert isinstance(key, str)
        return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:KEY_BYTES]

    def pack(self, peer: WhipSession) -> bytes:
        """What a PATCH is looked at with, and ICE restarted."""
        state = _WhipSessionState(
            peer.called.id, peer.called.name, peer.offer, peer.answer, peer.generation
        )
        return msgspec.msgpack.encode(state)

    def unpack(
        self, found: Found, state: bytes, key: Hashable, client_network: str
    ) -> tuple[WhipSession, Mailbox]:
        """A session that has its answer."""
        assert isinstance(key, str)
        packed = _decoder.decode(state)
        session = self._make(client_network, Called(packed.called, packed.name), packed.offer, key)
        session.answer, session.generation = packed.answer, packed.generation
        return session, session

    def restored(self, peer: WhipSession) -> None:
        """Its request is there already."""
