"""`open_whip` and `open_whep`: calls of what has a URL instead of a name."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Unpack

from ..calls.call import Call
from ..calls.conductor import Conductor
from ..calls.options import CallOptions, CallStep, ConnectionKeywords
from ..errors import SignalingError
from ..rtc import MediaTrack
from ..wire.messages import is_of_call
from .whip_signaling import open_whip_signaling


class WhipKeywords(ConnectionKeywords, total=False):
    """Arguments of `open_whip` and `open_whep`, as programs give them."""

    codecs: Iterable[str]
    restart_timeout: float
    trace: Callable[[CallStep], None] | None


@asynccontextmanager
async def open_whip(
    url: str,
    *,
    tracks: Iterable[MediaTrack],
    token: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    **options: Unpack[WhipKeywords],
) -> AsyncIterator[Call]:
    """Send media to a WHIP endpoint (RFC 9725) during the block.

    It is a `Call` like any other: with statistics, restarts of ICE, and an end. What it sends is
    settled with the offer: no track is added later, and there are no data channels.

    Args:
        url: of the endpoint, such as ``https://example.org/whip/studio``. Redirections are
            followed.
        tracks: what to send: at least one.
        token: what the endpoint lets us in with (``Authorization: Bearer``), if it wants one.
        ssl_context: how to verify the endpoint, instead of by the system's authorities.
        options: as of `open_call`: ``codecs``, ``ice_servers`` (without them those of the
            endpoint's ``Link`` headers are used), ``ice_transport_policy``, ``connect_timeout``,
            ``silence_timeout``, ``restart_timeout``, ``close_timeout``, ``trace``.

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
    settings = CallOptions.of("open_whip", WhipKeywords, options, tracks=sent, one_way=True)
    async with _open(url, token, ssl_context, settings) as call:
        yield call


@asynccontextmanager
async def open_whep(
    url: str,
    *,
    token: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    **options: Unpack[WhipKeywords],
) -> AsyncIterator[Call]:
    """Receive the media of a WHEP endpoint (draft-ietf-wish-whep) during the block.

    Its tracks are those of a `Call`. The errors are those of `open_whip`.

    Args:
        url: of the endpoint, such as ``https://example.org/whep/studio``. Redirections are
            followed.
        token: what the endpoint lets us in with (``Authorization: Bearer``), if it wants one.
        ssl_context: how to verify the endpoint, instead of by the system's authorities.
        options: as of `open_whip`.
    """
    kinds = ("audio", "video")
    settings = CallOptions.of("open_whep", WhipKeywords, options, receive=kinds, one_way=True)
    async with _open(url, token, ssl_context, settings) as call:
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
