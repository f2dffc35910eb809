"""What can be set for the connections of a peer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..rtc import IceServer, IceTransportPolicy


@dataclass(frozen=True, kw_only=True)
class Options:
    """What all connections of a peer have in common; see `open_peerjs`."""

    ice_servers: Sequence[str | IceServer]
    ice_transport_policy: IceTransportPolicy
    connect_timeout: float
    silence_timeout: float
    lost_timeout: float
    close_timeout: float
    max_message_bytes: int
    max_frame_pixels: int
    max_unread_bytes: int
