"""Options of a server: what `serve_signaling` is given, on whatever it listens."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypedDict

from .authorize import Authorize, everybody
from .cluster.cluster_settings import ClusterSettings
from .counters import Statistics
from .dialects.hosted.hosted_peer import PeerHost
from .dialects.peerjs.peerjs_admission import PeerJSSettings
from .http.routes import Route
from .limits import ServerLimits
from .turn import TurnCredentials

DRAIN_SECONDS: Final = 2.0

PEERJS_DEFAULTS: Final = PeerJSSettings()


class ServerKeywords(TypedDict, total=False):
    """Arguments of `serve_signaling` and `serve_signaling_listeners`, as programs give them."""

    limits: ServerLimits | None
    authorize: Authorize
    origins: Iterable[str] | None
    allowed_hosts: Iterable[str] | None
    trusted_proxies: Iterable[str]
    proxy_protocol: bool
    turn: TurnCredentials | None
    bind_classic: bool
    peerjs: PeerJSSettings | None
    publishers: PeerHost | None
    cluster: ClusterSettings | None
    page: bool
    ssl_context: ssl.SSLContext | None
    routes: Mapping[str, Route] | None
    local_routes: Mapping[str, Route] | None
    statistics: Statistics | None
    drain_seconds: float


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The same with what holds where nothing is given."""

    limits: ServerLimits | None = None
    authorize: Authorize = everybody
    origins: Iterable[str] | None = None
    allowed_hosts: Iterable[str] | None = None
    trusted_proxies: Iterable[str] = ()
    proxy_protocol: bool = False
    turn: TurnCredentials | None = None
    bind_classic: bool = True
    peerjs: PeerJSSettings | None = PEERJS_DEFAULTS
    publishers: PeerHost | None = None
    cluster: ClusterSettings | None = None
    page: bool = True
    ssl_context: ssl.SSLContext | None = None
    routes: Mapping[str, Route] | None = None
    local_routes: Mapping[str, Route] | None = None
    statistics: Statistics | None = None
    drain_seconds: float = DRAIN_SECONDS
