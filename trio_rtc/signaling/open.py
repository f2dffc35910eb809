"""`open_signaling`: the protocol follows from the scheme of the URL."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from ..errors import SignalingError, SignalingLost
from ..text import one_line
from ..wire.names import problem_of
from .address import parse_address, shown
from .classic import open_classic_signaling
from .native import open_native_signaling
from .signaling import Signaling
from .tokens import GiveToken, check_token

CLASSIC = ("http", "https")
NATIVE = ("ws", "wss")


@asynccontextmanager
async def open_signaling(
    url: str,
    *,
    name: str,
    room: str | None = None,
    token: str | GiveToken | None = None,
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
        token: what the server lets us in with, if it wants something; or a function, which may be
            async, that gives one: it is called again before the server ends the session with the
            last one. With ``ws`` only.
        ssl_context: how to verify the server, instead of by the system's authorities.

    Raises:
        SignalingError: ``bad_url``, ``bad_name``, ``bad_room``; ``server_unreachable``: nothing
            answers there; ``not_signaling_server``: something else does; ``not_authorized`` or
            ``forbidden``: the token is missing or wrong, or good for something else;
            ``no_place``: the server is full.
    """
    _check_text("name", name)
    address = parse_address(
        url,
        CLASSIC + NATIVE,
        "a signaling server",
        "ws://localhost:8888 or http://localhost:8888",
        query=url.partition(":")[0].lower() in NATIVE,
    )
    if address.scheme in NATIVE:
        if room:
            _check_text("room", room)
        if token is not None and not callable(token):
            check_token(token)
        session = open_native_signaling(
            str(address), name=name, room=room or "", token=token, ssl_context=ssl_context
        )
        async with _usable_in_the_block(session) as signaling:
            yield signaling
        return
    for what, given in (("room", room), ("token", token)):
        if given:
            raise SignalingError(
                f"{shown(url)} is for the classic protocol, which has no {what}; "
                f"use {_native(shown(url))} for one",
                code=f"bad_{what}",
                fault="local",
            )
    session = open_classic_signaling(address, name=name, ssl_context=ssl_context)
    async with _usable_in_the_block(session) as signaling:
        yield signaling


@asynccontextmanager
async def _usable_in_the_block(
    session: AbstractAsyncContextManager[Signaling],
) -> AsyncIterator[Signaling]:
    """A session that who uses it after its block is told of, instead of waiting for nothing."""
    signaling: Signaling | None = None
    try:
        async with session as signaling:
            yield signaling
    finally:
        if signaling is not None:
            signaling.lost(
                SignalingLost(
                    "the block of open_signaling has ended, and the session with it",
                    code="signed_out",
                    fault="local",
                )
            )


def _check_text(what: str, text: str) -> None:
    if problem := problem_of(text, room=what == "room") if text else "is empty":
        raise SignalingError(
            f"the {what} '{one_line(text, 40)}' {problem}", code=f"bad_{what}", fault="local"
        )


def _native(url: str) -> str:
    return url.replace("http", "ws", 1)
