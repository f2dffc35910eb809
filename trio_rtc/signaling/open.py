"""`open_signaling`: the protocol follows from the scheme of the URL."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from ..errors import SignalingError
from .classic import open_classic_signaling
from .native import open_native_signaling
from .signaling import Signaling

MAX_NAME_BYTES = 512
"""Servers cut a name here."""

CLASSIC = ("http", "https")
NATIVE = ("ws", "wss")


@asynccontextmanager
async def open_signaling(
    url: str,
    *,
    name: str,
    room: str | None = None,
    token: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[Signaling]:
    """Sign in to a signaling server, and sign out at the end of the block.

    With ``ws`` the session outlives its connections: it goes on after a loss of the network, or
    from another address, and every message arrives once and in order. With ``http`` only what
    libwebrtc's ``peerconnection_server`` can do is done.

    Args:
        url: where the server is: ``ws://host:port`` or ``wss://host:port`` for the protocol
            ``trio-rtc.v1``; ``http://host:port`` or ``https://host:port`` for the classic one.
        name: what others see us as: 1 to 512 bytes of UTF-8 without control characters.
        room: whom to be with; the default one if None. With ``ws`` only.
        token: what the server lets us in with, if it wants something. With ``ws`` only.
        ssl_context: how to verify the server, instead of by the system's authorities.

    Raises:
        SignalingError: ``bad_url``, ``bad_name``, ``bad_room``; ``server_unreachable``: nothing
            answers there; ``not_signaling_server``: something else does; ``not_authorized`` or
            ``forbidden``: the token is missing or wrong, or good for something else;
            ``no_place``: the server is full.
    """
    _check_text("name", name)
    scheme = _scheme(url)
    url = url.rstrip("/")
    if scheme in NATIVE:
        if room:
            _check_text("room", room)
        async with open_native_signaling(
            url, name=name, room=room or "", token=token, ssl_context=ssl_context
        ) as signaling:
            yield signaling
        return
    for what, given in (("room", room), ("token", token)):
        if given:
            raise SignalingError(
                f"{url} is for the classic protocol, which has no {what}; "
                f"use {_native(url)} for one",
                code=f"bad_{what}",
                fault="local",
            )
    async with open_classic_signaling(url, name=name, ssl_context=ssl_context) as signaling:
        yield signaling


def _check_text(what: str, text: str) -> None:
    problem = None
    if not text:
        problem = "is empty"
    elif not text.isprintable():
        problem = "has control characters"
    elif len(text.encode()) > MAX_NAME_BYTES:
        problem = f"is {len(text.encode())} bytes long, {MAX_NAME_BYTES} are allowed"
    if problem:
        raise SignalingError(
            f"the {what} {text[:40]!r} {problem}", code=f"bad_{what}", fault="local"
        )


def _scheme(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in CLASSIC + NATIVE and parts.hostname and parts.port != 0:
            return parts.scheme
    except ValueError:
        pass
    raise SignalingError(
        f"{url!r} is not the address of a signaling server; one looks like "
        "ws://localhost:8888 or http://localhost:8888",
        code="bad_url",
        fault="local",
    )


def _native(url: str) -> str:
    return url.replace("http", "ws", 1)
