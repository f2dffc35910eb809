"""STUN and TURN servers, as programs name them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ..errors import BadIceServer
from .ice_url import parse_ice_url

ENVIRONMENT_VARIABLE: Final = "TRIO_RTC_ICE_SERVERS"


@dataclass(frozen=True)
class IceServer:
    """A STUN or TURN server (W3C RTCIceServer).

    Attributes:
        urls: one or more of ``stun:host:port`` (RFC 7064), ``turn:host:port?transport=udp``
            and ``turns:host:port`` (RFC 7065). The port defaults to 3478, or 5349 for TLS.
        username: who we are for a TURN server; it needs one.
        credential: the password that goes with it.

    Raises:
        BadIceServer: a URL is malformed or has another scheme, or a TURN server comes without
            credentials.
    """

    urls: str | Sequence[str]
    username: str | None = None
    credential: str | None = None

    def __post_init__(self) -> None:
        if not self.url_list:
            raise BadIceServer("an ICE server needs a URL")
        for url in self.url_list:
            is_turn = parse_ice_url(url).is_turn
            if is_turn and (self.username is None or self.credential is None):
                raise BadIceServer(f"{url}: a TURN server needs a username and a credential")

    @property
    def url_list(self) -> list[str]:
        """The URLs, also if there is just one."""
        return [self.urls] if isinstance(self.urls, str) else list(self.urls)


def as_ice_servers(servers: Iterable[str | IceServer]) -> list[IceServer]:
    """``servers`` with each bare URL made an `IceServer`.

    Raises:
        BadIceServer: one of them is neither.
    """
    if isinstance(servers, str):
        servers = [servers]
    return [_as_ice_server(server) for server in servers]


def _as_ice_server(server: object) -> IceServer:
    if isinstance(server, IceServer):
        return server
    if isinstance(server, str):
        return IceServer(server)
    raise BadIceServer(f"{server!r} is neither the URL of an ICE server nor an IceServer")


def ice_servers_from_environment() -> list[IceServer]:
    """The servers that ``TRIO_RTC_ICE_SERVERS`` names; none if it is not set.

    Either URLs with spaces between them, or a JSON array as browsers take it:
    ``[{"urls": "turn:host", "username": "...", "credential": "..."}]``.

    Raises:
        BadIceServer: one of them is none.
    """
    value = os.environ.get(ENVIRONMENT_VARIABLE, "").strip()
    try:
        if value.startswith("["):
            return [
                IceServer(server.urls, server.username, server.credential)
                for server in msgspec.json.decode(value, type=list[_JsonServer])
            ]
        return as_ice_servers(value.split())
    except (BadIceServer, msgspec.DecodeError) as error:
        raise BadIceServer(f"the variable {ENVIRONMENT_VARIABLE}: {error}") from error


class _JsonServer(msgspec.Struct):
    urls: str | list[str]
    username: str | None = None
    credential: str | None = None
