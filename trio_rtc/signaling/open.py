"""`open_signaling`: the protocol follows from the scheme of the URL."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import httpx

from ..errors import SignalingError
from ..text import one_line
from ..wire.names import problem_of
from .address import Servers, all_failed, is_of_us, parse_address, shown
from .classic import open_classic_signaling
from .native import open_native_signaling
from .signaling import Signaling
from .tokens import GiveToken, check_token

CLASSIC = ("http", "https")
NATIVE = ("ws", "wss")


@asynccontextmanager
async def open_signaling(
    url: str | Sequence[str],
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
            ``trio-rtc.v1``; ``http://host:port`` or ``https://host:port`` for the classic one. Or
            the URLs of several that are one to their clients: another one is tried when the one
            in use does not let us in within a few seconds. A session can go on with another one
            if they are a cluster, and with ``ws``.
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
            ``no_place``: the server is full. If there are several, each is named with what it
            said.
    """
    _check_text("name", name)
    urls = [url] if isinstance(url, str) else list(url)
    if not urls:
        raise SignalingError("no server is given", code="bad_url", fault="local")
    opening = [
        _opening([*urls[at:], *urls[:at]], name, room, token, ssl_context)
        for at in range(len(urls))
    ]
    signaling: Signaling | None = None
    try:
        async with AsyncExitStack() as stack:
            signaling = await _open_first(urls, opening, stack)
            yield signaling
    finally:
        # Who uses it after its block is told so, instead of waiting for nothing.
        if signaling is not None:
            signaling.block_has_ended()


async def _open_first(
    urls: Sequence[str],
    opening: Sequence[AbstractAsyncContextManager[Signaling]],
    stack: AsyncExitStack,
) -> Signaling:
    """The session with the first server that lets us in."""
    failures: list[tuple[str, SignalingError]] = []
    for one, session in zip(urls, opening, strict=True):
        try:
            return await stack.enter_async_context(session)
        except SignalingError as error:
            if len(urls) == 1 or is_of_us(error):
                raise
            failures.append((one, error))
    raise all_failed(failures)


def _opening(
    urls: Sequence[str],
    name: str,
    room: str | None,
    token: str | GiveToken | None,
    ssl_context: ssl.SSLContext | None,
) -> AbstractAsyncContextManager[Signaling]:
    """A session with the first of these servers, which may go on with the others."""
    url = urls[0]
    address = _address(url)
    if address.scheme in NATIVE:
        if room:
            _check_text("room", room)
        if token is not None and not callable(token):
            check_token(token)
        natives = [one for one in map(_address, urls) if one.scheme in NATIVE]
        return open_native_signaling(
            Servers([str(one) for one in natives]),
            name=name,
            room=room or "",
            token=token,
            ssl_context=ssl_context,
        )
    for what, given in (("room", room), ("token", token)):
        if given:
            raise SignalingError(
                f"{shown(url)} is for the classic protocol, which has no {what}; "
                f"use {_native(shown(url))} for one",
                code=f"bad_{what}",
                fault="local",
            )
    return open_classic_signaling(
        address, name=name, ssl_context=ssl_context, patience=Servers(urls).patience
    )


def _address(url: str) -> httpx.URL:
    return parse_address(
        url,
        CLASSIC + NATIVE,
        "a signaling server",
        "ws://localhost:8888 or http://localhost:8888",
        query=url.partition(":")[0].lower() in NATIVE,
    )


def _check_text(what: str, text: str) -> None:
    if problem := problem_of(text, room=what == "room") if text else "is empty":
        raise SignalingError(
            f"the {what} '{one_line(text, 40)}' {problem}", code=f"bad_{what}", fault="local"
        )


def _native(url: str) -> str:
    return url.replace("http", "ws", 1)
