"""`open_whip` and `open_whep`: calls of what has a URL instead of a name."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from ..calls.call import Call
from ..calls.conductor import Conductor
from ..calls.options import CallOptions, CallStep
from ..errors import SignalingError
from ..rtc import IceServer, IceTransportPolicy, MediaTrack, as_ice_servers
from ..wire.messages import is_of_call
from .whip_signaling import open_whip_signaling


@asynccontextmanager
async def open_whip(
    url: str,
    *,
    tracks: Iterable[MediaTrack],
    token: str | None = None,
    codecs: Iterable[str] = (),
    ice_servers: Iterable[str | IceServer] | None = None,
    ice_transport_policy: IceTransportPolicy = "all",
    connect_timeout: float = 30.0,
    restart_timeout: float = 15.0,
    close_timeout: float = 5.0,
    trace: Callable[[CallStep], None] | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[Call]:
    """Send media to a WHIP endpoint (RFC 9725) during the block.

    It is a `Call` like any other: with statistics, restarts of ICE, and an end. What it sends is
    settled with the offer: no track is added later, and there are no data channels.

    Args:
        url: of the endpoint, such as ``https://example.org/whip/studio``. Redirections are
            followed.
        tracks: what to send: at least one.
        token: what the endpoint lets us in with (``Authorization: Bearer``), if it wants one.
        codecs: as of `open_call`.
        ice_servers: STUN and TURN servers as of `open_call`; without them those of the endpoint's
            ``Link`` headers.
        ice_transport_policy: as of `open_call`.
        connect_timeout: seconds until the call has to be connected.
        restart_timeout: seconds in which another way is looked for before the call ends.
        close_timeout: seconds for the goodbye.
        trace: called with each `CallStep`, in this thread; it must not block.
        ssl_context: how to verify the endpoint, instead of by the system's authorities.

    Raises:
        ValueError: there is no track.
        SignalingError: ``bad_url``; ``bad_token``; ``server_unreachable``; ``not_authorized``;
            ``forbidden``; ``not_found``: there is nothing, or nobody is there;
            ``no_place``; ``refused``: the endpoint does not take the offer;
            ``not_whip``: what answers is no such endpoint.
        CallError, NegotiationError: as of `open_call`.
    """
    sent = tuple(tracks)
    if not sent:
        raise ValueError("there is no track to be sent")
    options = CallOptions(
        tracks=sent,
        codecs=tuple(codecs),
        one_way=True,
        ice_servers=None if ice_servers is None else as_ice_servers(ice_servers),
        ice_transport_policy=ice_transport_policy,
        connect_timeout=connect_timeout,
        restart_timeout=restart_timeout,
        close_timeout=close_timeout,
        trace=trace,
    )
    async with _open(url, token, ssl_context, options) as call:
        yield call


@asynccontextmanager
async def open_whep(
    url: str,
    *,
    token: str | None = None,
    codecs: Iterable[str] = (),
    ice_servers: Iterable[str | IceServer] | None = None,
    ice_transport_policy: IceTransportPolicy = "all",
    connect_timeout: float = 30.0,
    restart_timeout: float = 15.0,
    close_timeout: float = 5.0,
    trace: Callable[[CallStep], None] | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[Call]:
    """Receive the media of a WHEP endpoint (draft-ietf-wish-whep) during the block.

    Its tracks are those of a `Call`. The arguments and errors are those of `open_whip`.
    """
    options = CallOptions(
        receive=("audio", "video"),
        codecs=tuple(codecs),
        one_way=True,
        ice_servers=None if ice_servers is None else as_ice_servers(ice_servers),
        ice_transport_policy=ice_transport_policy,
        connect_timeout=connect_timeout,
        restart_timeout=restart_timeout,
        close_timeout=close_timeout,
        trace=trace,
    )
    async with _open(url, token, ssl_context, options) as call:
        yield call


@asynccontextmanager
async def _open(
    url: str, token: str | None, ssl_context: ssl.SSLContext | None, options: CallOptions
) -> AsyncIterator[Call]:
    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise SignalingError(
            "a token is of visible characters of ASCII", code="bad_token", fault="local"
        )
    async with open_whip_signaling(url, token, ssl_context) as (signaling, endpoint):
        with signaling.subscribe(endpoint, wanted=is_of_call) as subscription:
            async with Conductor(signaling, subscription, endpoint, options).run() as call:
                yield call
