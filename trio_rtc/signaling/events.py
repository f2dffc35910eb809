"""Events of signaling: what a server tells its clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import trio

from ..errors import SignalingError
from ..tasks import Changes


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody who is signed in to the same server.

    Attributes:
        id: a number that nobody else has there.
        name: which others may have, too.
        protocol: how it speaks to the server, as that tells: ``native``, ``classic``, ``peerjs``,
            ``whip``, ``whep``, or ``hosted``: the server speaks for it; empty if it does not
            tell. Two peers are the same whatever this is.
    """

    id: int
    name: str
    protocol: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


@dataclass(frozen=True, slots=True)
class PeerJoined:
    """A peer signed in, or was there already when we did.

    Attributes:
        peer: the one who is there now.
    """

    peer: Peer


@dataclass(frozen=True, slots=True)
class PeerLeft:
    """A peer signed out, or the server gave it up.

    Attributes:
        peer: the one who is there no more.
    """

    peer: Peer


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A peer sent us something.

    Attributes:
        peer: the sender, as the server names it.
        data: as it was sent, byte for byte; of a text, its UTF-8.
    """

    peer: Peer
    data: bytes


@dataclass(frozen=True, slots=True)
class MessageFailed:
    """What we sent to a peer did not reach it.

    Attributes:
        peer: the one whom it was for.
        error: why.
        number: which message it was: what `Signaling.send` has returned for it.
    """

    peer: Peer
    error: SignalingError
    number: int | None = None


@dataclass(frozen=True, slots=True)
class EventsDropped:
    """Here something is missing, as nobody took what was there already.

    Messages that are missing were refused to their senders (`MessageFailed`, ``mailbox_full``),
    unless they speak a protocol that cannot tell them so: the classic one, and PeerJS's.

    Attributes:
        count: how many messages, or `MessageFailed`.
    """

    count: int


SignalingEvent: TypeAlias = PeerJoined | PeerLeft | MessageReceived | MessageFailed | EventsDropped
"""What whoever iterates over a `Signaling` gets."""


State: TypeAlias = Literal["connected", "reconnecting", "lost"]
"""Whether a session has a connection with its server; ``lost`` is its end."""


class SessionState:
    """What the state of a session is now, and waiting for what it comes to be."""

    def __init__(self) -> None:
        self.now: State = "connected"
        self._changes = Changes()

    def set(self, state: State) -> None:
        """It is this from now on; nothing follows the end."""
        if self.now not in (state, "lost"):
            self.now = state
            self._changes.notify()

    async def wait_for(self, states: tuple[State, ...]) -> State:
        """Wait until it is one of these."""
        await self._changes.wait_until(lambda: self.now in states)
        await trio.lowlevel.checkpoint()
        return self.now
