"""Native sessions that go on with another server."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

import msgspec

from ...authorize import JoinRequest
from ...context import Context
from ...hub.hub import Mailbox
from ...hub.portable import Found
from ..membership import Transfer
from .native_member import Session

#: So much of a digest is one that nobody else has.
KEY_BYTES: Final = 16


class _NativeSessionState(msgspec.Struct, array_like=True):
    attempt: int
    until: float
    subject: str | None
    asked: tuple[str, str, str] | None


_decoder: msgspec.msgpack.Decoder[_NativeSessionState] = msgspec.msgpack.Decoder(
    _NativeSessionState
)


class NativeTransfer(Transfer[Session]):
    """How a session is told to other servers, and opened there.

    Args:
        restored: called with each that goes on here; it has no connection yet.
    """

    is_keyed = True

    def __init__(self, context: Context, restored: Callable[[Session], None]):
        self._context = context
        self._restored = restored
        self.linger_seconds = context.limits.resume_seconds

    def key(self, key: Hashable) -> bytes:
        """As much of the digest of its secret as it takes."""
        assert isinstance(key, bytes)
        return key[:KEY_BYTES]

    def pack(self, peer: Session) -> bytes:
        """All that there is beside numbers and mail."""
        asked = None
        if peer.asked is not None:
            asked = peer.asked.name, peer.asked.room, peer.asked.address
        return msgspec.msgpack.encode(
            _NativeSessionState(peer.attempt, peer.until, peer.subject, asked)
        )

    def unpack(
        self, found: Found, state: bytes, key: Hashable, client_network: str
    ) -> tuple[Session, Mailbox]:
        """A session without a connection."""
        assert isinstance(key, bytes)
        context, packed = self._context, _decoder.decode(state)
        session = Session(
            client_network, context.limits, context.flush_batch, context.memory.open(), key
        )
        session.attempt, session.subject = packed.attempt, packed.subject
        session.until = packed.until
        if packed.asked is not None:
            name, room, address = packed.asked
            session.asked = JoinRequest(name=name, room=room, token=None, address=address)
        return session, session

    def restored(self, peer: Session) -> None:
        """It waits for its connection."""
        self._restored(peer)
