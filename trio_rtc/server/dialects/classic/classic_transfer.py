"""Transfer of a classic peer to another server."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from ...context import Context
from ...hub.hub import Mailbox
from ...hub.portable import Found
from ..membership import Transfer
from .classic_member import ClassicMember


def session_of(state: bytes) -> str:
    """What a peer may show for itself, out of what is packed of it."""
    return state.decode()


class ClassicTransfer(Transfer[ClassicMember]):
    """How a peer goes on with another server, where it is known by its id."""

    is_keyed = False

    def __init__(self, context: Context, restored: Callable[[ClassicMember], None]):
        self._context = context
        self._restored = restored
        self.linger_seconds = context.limits.absent_seconds

    def key(self, key: Hashable) -> int:
        """Its id."""
        assert isinstance(key, int)
        return key

    def pack(self, peer: ClassicMember) -> bytes:
        """What it may show for itself, beside where it comes from."""
        return peer.session.encode()

    def unpack(
        self, found: Found, state: bytes, key: Hashable, client_network: str
    ) -> tuple[ClassicMember, Mailbox]:
        """A peer without a GET."""
        context = self._context
        peer = ClassicMember(
            client_network, context.limits, context.memory.open(), session_of(state)
        )
        return peer, peer.mailbox

    def restored(self, peer: ClassicMember) -> None:
        """Its GET comes now."""
        self._restored(peer)
