"""Events of a `PeerConnection`, under the names of the W3C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..wire.messages import IceCandidate
from .channels.data_channel import DataChannel
from .media.track import MediaTrack

ConnectionState = Literal["new", "connecting", "connected", "disconnected", "failed", "closed"]
"""W3C RTCPeerConnectionState."""

IceConnectionState = Literal["new", "checking", "completed", "failed", "closed"]
"""W3C RTCIceConnectionState, of which ``connected`` and ``disconnected`` do not come."""


@dataclass(frozen=True, slots=True)
class IceCandidateEvent:
    """A local candidate was found, or (`IceCandidate.is_end`) no more will be."""

    candidate: IceCandidate


@dataclass(frozen=True, slots=True)
class ConnectionStateEvent:
    """The connection is in another state now."""

    state: ConnectionState


@dataclass(frozen=True, slots=True)
class IceConnectionStateEvent:
    """ICE is in another state now; during a restart it is ``checking`` again."""

    state: IceConnectionState


@dataclass(frozen=True, slots=True)
class DataChannelEvent:
    """The other side has opened a data channel."""

    channel: DataChannel


@dataclass(frozen=True, slots=True)
class TrackEvent:
    """The other side sends a media track."""

    track: MediaTrack


@dataclass(frozen=True, slots=True)
class NegotiationNeededEvent:
    """Something waits that only an offer of ours brings to the other side, or tells it of."""


@dataclass(frozen=True, slots=True)
class NetworkChangedEvent:
    """An address of this machine is new: ICE, restarted, may find a better way, or one again.

    What goes over an address that is gone is told by `ConnectionStateEvent`: ``disconnected``.
    """


PeerConnectionEvent: TypeAlias = (
    IceCandidateEvent
    | ConnectionStateEvent
    | IceConnectionStateEvent
    | DataChannelEvent
    | TrackEvent
    | NegotiationNeededEvent
    | NetworkChangedEvent
)
