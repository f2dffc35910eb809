"""The settings of ``trio-rtc server``: the one table that its flags, its help and its documentation
follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from ..server.authorize import LEEWAY_SECONDS
from ..server.dialects.peerjs.peerjs_admission import PeerJSSettings
from ..server.limits import ServerLimits
from ..server.server_options import DRAIN_SECONDS
from ..server.turn import LIFETIME_SECONDS
from .settings import (
    PATH,
    SWITCH,
    TEXT,
    TEXTS,
    Kind,
    Setting,
    SettingsError,
    choice,
    integer,
    load,
    seconds,
    with_files,
)


def _setting(
    default: object, kind: Kind, text: str, *, unset: str = "none", secret: bool = False
) -> Any:
    metadata = {"kind": kind, "help": text, "unset": unset, "secret": secret}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """The settings in use.

    Attributes:
        limits: see `ServerLimits`; each of them is a setting of its own.
        where: what to call a setting in a message about it, by name.
    """

    host: str | None = _setting(None, TEXT, "The address to listen on.", unset="all interfaces")
    port: int = _setting(8888, integer(0, 65535), "The port to listen on; 0 takes a free one.")
    unix_socket: str | None = _setting(
        None, PATH, "A Unix socket to listen on instead, which the group may use too."
    )
    tls_certificate: str | None = _setting(
        None,
        PATH,
        "The server's certificate, and those between it and its authority, as PEM. "
        "With it the server speaks TLS only.",
        unset="no TLS",
    )
    tls_key: str | None = _setting(
        None, PATH, "The certificate's private key as PEM.", unset="in the certificate's file"
    )
    origins: tuple[str, ...] | None = _setting(
        None, TEXTS, "The origins of the web pages that may connect, such as https://example.org.",
        unset="all",
    )  # fmt: skip
    allowed_hosts: tuple[str, ...] | None = _setting(
        None, TEXTS, "The names that the server goes by in URLs, such as example.org or "
        "*.example.org.", unset="any",
    )  # fmt: skip
    trusted_proxies: tuple[str, ...] = _setting(
        (), TEXTS, "The addresses or networks of proxies, whose X-Forwarded-For tells the client's "
        "address; unix for Unix sockets.", unset="none",
    )  # fmt: skip
    proxy_protocol: bool = _setting(
        False, SWITCH, "Whether connections of these begin with the PROXY protocol (1 or 2)."
    )
    bind_classic: bool = _setting(
        True,
        SWITCH,
        "Whether a classic peer can be spoken for only from the address that it signed in from.",
    )
    shared_secret: str | None = _setting(
        None, TEXT, "The token that everybody has to join with.", unset="none", secret=True
    )
    jwt_key: str | None = _setting(
        None, TEXT, "What verifies the JSON Web Token that everybody has to join with: a secret, "
        "or a public key as PEM.", secret=True,
    )  # fmt: skip
    jwt_algorithms: tuple[str, ...] = _setting(
        ("HS256",), TEXTS, "The algorithms by which tokens may be signed, such as RS256 or ES256."
    )
    jwt_audience: str | None = _setting(None, TEXT, "What the tokens' aud has to contain.")
    jwt_issuer: str | None = _setting(None, TEXT, "What the tokens' iss has to be.", unset="any")
    jwt_leeway: float = _setting(
        LEEWAY_SECONDS, seconds(zero=True), "By how many seconds the clocks may differ from ours."
    )
    turn_urls: tuple[str, ...] = _setting(
        (), TEXTS, "TURN and STUN servers that clients are told of, such as "
        "turn:turn.example.org:3478.", unset="none",
    )  # fmt: skip
    turn_secret: str | None = _setting(
        None, TEXT, "The secret shared with the TURN servers.", secret=True
    )
    turn_lifetime: float = _setting(
        LIFETIME_SECONDS, seconds(), "For how long TURN credentials are good."
    )
    peerjs: bool = _setting(True, SWITCH, "Speak PeerJS's protocol as well.")
    peerjs_path: str = _setting(
        PeerJSSettings.path, TEXT, "Under which path; what pages give as path."
    )
    peerjs_key: str = _setting(PeerJSSettings.key, TEXT, "What pages give as key.")
    peerjs_discovery: bool = _setting(
        PeerJSSettings.discovery, SWITCH, "Whether PeerJS pages may list all peers."
    )
    relay: bool = _setting(
        False, SWITCH, "Relay what is sent by WHIP to a name that nobody has to all who call that "
        "name, by WHEP or from the page. It needs the media stack.",
    )  # fmt: skip
    relay_calls: int = _setting(
        100, integer(2), "How many calls the relay has at once, of publishers and viewers."
    )
    cluster: str | None = _setting(
        None, TEXT, "The Redis of a cluster of servers, such as redis://redis.example.org.",
        unset="none, and the server is alone", secret=True,
    )  # fmt: skip
    cluster_user: str | None = _setting(None, TEXT, "The user for it.", unset="the default one")
    cluster_password: str | None = _setting(None, TEXT, "The password for it.", secret=True)
    cluster_prefix: str = _setting(
        "trio_rtc", TEXT, "What its keys begin with. Clusters with different ones are apart."
    )
    cluster_name: str = _setting(
        "server", TEXT, "What the server is called in logs of the cluster."
    )
    workers: int = _setting(
        1, integer(1), "How many processes serve the port: as a cluster, with a Redis that is "
        "started for them if there is none.",
    )  # fmt: skip
    page: bool = _setting(True, SWITCH, "Serve the page for browsers at /.")
    metrics: bool = _setting(True, SWITCH, "Answer GET /metrics.")
    metrics_listen: str | None = _setting(
        None, TEXT, "An address of their own for the metrics, such as 127.0.0.1:9464.",
        unset="that of all else, for this machine only",
    )  # fmt: skip
    drain_seconds: float = _setting(
        DRAIN_SECONDS, seconds(zero=True), "How long the end may take after SIGTERM or SIGINT."
    )
    log_level: str = _setting(
        "warning", choice("debug", "info", "warning", "error"), "How much is logged."
    )
    log_format: str = _setting(
        "text", choice("text", "json"), "Log lines for people, or one JSON object per line."
    )
    limits: ServerLimits = field(default_factory=ServerLimits)
    where: Mapping[str, str] = field(default_factory=dict)


#: What each limit of `ServerLimits` is, for people.
LIMITS: Final = {
    "head_bytes": "The size of a request line and its headers.",
    "header_count": "How many headers a request has.",
    "body_bytes": "The size of a message.",
    "mailbox_messages": "How many messages wait for one peer.",
    "mailbox_bytes": "The same, in bytes.",
    "memory_bytes": "The same for the whole server, with all that has not arrived or gone out as a "
    "whole.",
    "peers": "How many peers there are.",
    "peers_per_address": "How many of them come from one IP address.",
    "joins_per_second": "How many peers join from one IP address, over time.",
    "joins_burst": "By how many an address from which nobody has joined lately may go over that.",
    "rooms": "How many rooms there are.",
    "room_peers": "How many peers are in one room of a cluster.",
    "connections_per_address": "How many connections one IP address has.",
    "requests_per_second": "How many HTTP requests come from one IP address, over time.",
    "requests_burst": "By how many an address from which none have come lately may go over that.",
    "messages_per_second": "How many messages a peer sends, over time.",
    "messages_burst": "By how many messages a peer that was silent may go over that.",
    "request_seconds": "How long a client may take to send a request.",
    "handshake_seconds": "How long a client may take for the handshake of TLS, and for the first "
    "message on a WebSocket.",
    "idle_seconds": "How long a connection may stay open between two requests.",
    "send_seconds": "How long a client may take to accept an answer, or 64 KiB of messages.",
    "ping_seconds": "After how much time a WebSocket client is pinged (again).",
    "pong_seconds": "How long it may take to answer that.",
    "poll_seconds": "How long a GET of a classic peer hangs when there is nothing to tell.",
    "absent_seconds": "How long a classic peer may go without a hanging GET before it is logged "
    "out.",
    "resume_seconds": "How long a native peer may go without a connection before it has left.",
}


def _of_limit(name: str, text: str) -> Setting:
    default = getattr(ServerLimits(), name)
    kind = integer(1) if isinstance(default, int) else seconds()
    return Setting(name=name, kind=kind, default=default, help=text)


SETTINGS: Final = with_files(
    [
        *(
            Setting(name=one.name, default=one.default, **one.metadata)
            for one in fields(ServerSettings)
            if one.metadata
        ),
        *(_of_limit(name, text) for name, text in LIMITS.items()),
    ]
)


def load_server_settings(
    flags: Mapping[str, str], environment: Mapping[str, str]
) -> ServerSettings:
    """Look up every setting.

    Raises:
        SettingsError: one is wrong, or does not go with another.
    """
    loaded = load(SETTINGS, flags, environment)
    names = [one.name for one in fields(ServerSettings) if one.metadata]
    settings = ServerSettings(
        **{name: loaded.values[name] for name in names},
        limits=ServerLimits(**{name: loaded.values[name] for name in LIMITS}),
        where=loaded.where,
    )
    for name, needed in [
        ("tls_key", "tls_certificate"),
        ("jwt_algorithms", "jwt_key"),
        ("jwt_audience", "jwt_key"),
        ("jwt_issuer", "jwt_key"),
        ("jwt_leeway", "jwt_key"),
        ("relay_calls", "relay"),
        ("turn_secret", "turn_urls"),
        ("turn_urls", "turn_secret"),
        ("turn_lifetime", "turn_secret"),
        *((f"cluster_{name}", "cluster") for name in ("user", "password", "prefix", "name")),
    ]:
        if name in loaded.given and needed not in loaded.given:
            raise SettingsError(f"{loaded.where[name]}: it needs {needed} as well")
    if settings.shared_secret is not None and settings.jwt_key is not None:
        raise SettingsError(
            f"{loaded.where['shared_secret']}: {loaded.where['jwt_key']} is given as well"
        )
    return settings


def describe(settings: ServerSettings) -> Iterator[str]:
    """The settings that are not as they are by default, without the secrets."""
    values = {name: getattr(settings.limits, name) for name in LIMITS}
    values |= {one.name: getattr(settings, one.name) for one in fields(settings) if one.metadata}
    for setting in SETTINGS:
        if setting.name in values and values[setting.name] != setting.default:
            yield f"{setting.name}={setting.shown(values[setting.name])}"
