"""Opening of peer connections: what a program can choose of one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

from ..tasks import open_background_nursery
from .bridge.bridge import open_bridge
from .channels.budget import MAX_UNREAD_BYTES, ChannelBudget
from .configuration import BundlePolicy, ConnectionConfiguration, IceTransportPolicy
from .ice_credentials import IceCredentials
from .ice_gather_options import IceGatherOptions, gather_options_from_environment
from .ice_server import IceServer, as_ice_servers
from .peer_certificate import PeerCertificate
from .peer_connection import PeerConnection

MAX_FRAME_PIXELS: Final = 4096 * 2304
"""Pixels of the largest picture that is decoded, unless a program wants another limit."""


@asynccontextmanager
async def open_peer_connection(
    *,
    ice_servers: Iterable[str | IceServer] = (),
    ice_transport_policy: IceTransportPolicy = "all",
    bundle_policy: BundlePolicy = "balanced",
    silence_timeout: float = 5.0,
    close_timeout: float = 5.0,
    max_frame_pixels: int = MAX_FRAME_PIXELS,
    max_unread_bytes: int = MAX_UNREAD_BYTES,
    simulcast: bool = False,
    certificate: PeerCertificate | None = None,
    ice_gathering: IceGatherOptions | None = None,
    ice_credentials: IceCredentials | None = None,
    verify_certificate: Callable[[bytes], bool] | None = None,
) -> AsyncIterator[PeerConnection]:
    """Open a connection, which is closed at the end of the block.

    Args:
        ice_servers: STUN and TURN servers: URLs, or `IceServer` where one wants credentials.
            By default there is none.
        ice_transport_policy: ``"relay"`` uses TURN servers only.
        bundle_policy: as in W3C WebRTC, section 4.2.5.
        silence_timeout: seconds after which a connection counts as disconnected when nothing
            at all comes from the other side, not even answers to checks.
        close_timeout: seconds until closing is given up.
        max_frame_pixels: width times height of the largest picture that is decoded, and a
            quarter of what all tracks of the connection may have together. What is over it is
            left out, with a warning, and counted in `TrackStats.frames_refused`.
        max_unread_bytes: what the other side may have sent on all data channels together before
            it is read; a channel that brings more is closed.
        simulcast: whether a peer that offers a track in several layers (RFC 8853) is to send them
            all, for `MediaTrack.undecoded`; otherwise it sends the first one.
        certificate: ours; without it, one is made for this connection.
        ice_gathering: ports, interfaces and addresses of host candidates; by default as the
            environment has it (`gather_options_from_environment`).
        ice_credentials: ours, up to the first restart of ICE; without them they are made up.
        verify_certificate: is called with the certificate of the other side (DER), and tells
            whether it is taken; the fingerprints in its description count for nothing then. It
            may be called in another thread, and holds up all connections while it runs.

    Raises:
        BadIceServer: one of the servers is none, or the environment says of host candidates what
            makes no sense.
        CallError: ``not_possible``: the installed aiortc does not let us choose that.
    """
    configuration = ConnectionConfiguration(
        ice_servers=as_ice_servers(ice_servers),
        ice_transport_policy=ice_transport_policy,
        bundle_policy=bundle_policy,
        silence_timeout=silence_timeout,
        max_frame_pixels=max_frame_pixels,
        simulcast=simulcast,
        certificate=certificate,
        ice_gathering=ice_gathering or gather_options_from_environment(),
        ice_credentials=ice_credentials,
        verify_certificate=verify_certificate,
    )
    async with open_bridge() as bridge, open_background_nursery() as nursery:
        connection = PeerConnection(bridge, close_timeout, ChannelBudget(max_unread_bytes))
        await connection._open(configuration, nursery)
        try:
            yield connection
        finally:
            await connection.aclose()
