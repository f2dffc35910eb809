"""What a signaling server tells its clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ..errors import SignalingError


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody who is signed in to the same server."""

    id: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


@dataclass(frozen=True, slots=True)
class PeerJoined:
    """A peer signed in, or was there already when we did."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class PeerLeft:
    """A peer signed out, or the server gave it up."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A peer sent us something; ``data`` is as it was sent, byte for byte."""

    peer: Peer
    data: bytes


@dataclass(frozen=True, slots=True)
class MessageFailed:
    """What we sent to a peer did not reach it; ``error`` tells why."""

    peer: Peer
    error: SignalingError


SignalingEvent: TypeAlias = PeerJoined | PeerLeft | MessageReceived | MessageFailed
