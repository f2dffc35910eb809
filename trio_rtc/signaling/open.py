"""`open_signaling`: the protocol follows from the scheme of the URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from ..errors import SignalingError
from .classic import open_classic_signaling
from .signaling import Signaling

MAX_NAME_BYTES = 512
"""Servers of the classic protocol cut a name here."""


@asynccontextmanager
async def open_signaling(url: str, *, name: str) -> AsyncIterator[Signaling]:
    """Sign in to a signaling server, and sign out at the end of the block.

    Args:
        url: where the server is: ``http://host:port`` or ``https://host:port``, for the
            protocol of libwebrtc's ``peerconnection_server``.
        name: what others see us as: 1 to 512 bytes of UTF-8 without control characters.

    Raises:
        SignalingError: ``bad_url``, ``bad_name``; ``server_unreachable``: nothing answers
            there; ``not_signaling_server``: something else does.
    """
    _check_name(name)
    with_classic = _check_url(url)
    async with open_classic_signaling(with_classic, name=name) as signaling:
        yield signaling


def _check_name(name: str) -> None:
    problem = None
    if not name:
        problem = "is empty"
    elif not name.isprintable():
        problem = "has control characters"
    elif len(name.encode()) > MAX_NAME_BYTES:
        problem = f"is {len(name.encode())} bytes long, {MAX_NAME_BYTES} are allowed"
    if problem:
        raise SignalingError(f"the name {name[:40]!r} {problem}", code="bad_name", fault="local")


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SignalingError(
            f"{url!r} is not the address of a signaling server; one looks like "
            "http://localhost:8888",
            code="bad_url",
            fault="local",
        )
    return url.rstrip("/")
