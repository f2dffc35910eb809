"""The configuration of a connection (W3C RTCConfiguration), and what we add to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from .ice_credentials import IceCredentials
from .ice_gather_options import IceGatherOptions
from .ice_server import IceServer
from .peer_certificate import PeerCertificate

BundlePolicy = Literal["balanced", "max-compat", "max-bundle"]
"""W3C RTCBundlePolicy: whether all media go over one transport."""

IceTransportPolicy = Literal["all", "relay"]
"""W3C RTCIceTransportPolicy: ``relay`` uses TURN servers only."""


@dataclass(frozen=True, kw_only=True)
class ConnectionConfiguration:
    """What `open_peer_connection` is asked for; see there."""

    ice_servers: Sequence[IceServer]
    ice_transport_policy: IceTransportPolicy
    bundle_policy: BundlePolicy
    silence_timeout: float
    max_frame_pixels: int
    simulcast: bool
    certificate: PeerCertificate | None
    ice_gathering: IceGatherOptions
    ice_credentials: IceCredentials | None = None
    verify_certificate: Callable[[bytes], bool] | None = None
