"""Options of a call, and what can be seen of it while it comes about."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, TypedDict

from ..errors import BadIceServer
from ..keywords import check_keywords
from ..rtc import (
    MAX_FRAME_PIXELS,
    MAX_UNREAD_BYTES,
    BundlePolicy,
    ConnectionStats,
    IceGatherOptions,
    IceServer,
    IceTransportPolicy,
    Kind,
    MediaTrack,
    PeerCertificate,
    as_ice_servers,
    ice_servers_from_environment,
)
from ..signaling import Peer, Signaling
from .authentication import OneTimeCode, parse_fingerprints

if TYPE_CHECKING:
    from .call import Call

logger = logging.getLogger("trio_rtc.call")

GiveTracks: TypeAlias = (
    "Callable[[Call], Iterable[MediaTrack] | AbstractAsyncContextManager[Iterable[MediaTrack]]]"
)
"""Gives what is sent in a call; a context manager is left when the call ends."""

StepName = Literal[
    "offer_sent",
    "offer_received",
    "answer_sent",
    "answer_received",
    "candidate_sent",
    "candidate_received",
    "ice_connected",
    "connected",
    "disconnected",
    "ended",
]
"""What a call is traced by, in the order in which it happens at first."""


@dataclass(frozen=True, slots=True)
class CallStep:
    """Something that happened in a call, for whoever traces it.

    Attributes:
        peer: the other side.
        name: what happened.
        time: when, in seconds of Trio's clock (`trio.current_time`).
        candidate: for the two candidate steps: the candidate, empty at the end of them.
    """

    peer: Peer
    name: StepName
    time: float
    candidate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStats(ConnectionStats):
    """A call at one moment: its connection, and how it came about.

    Attributes:
        steps: when each step first happened, in seconds since the start of the call.
    """

    steps: Mapping[StepName, float]


class ConnectionKeywords(TypedDict, total=False):
    """Arguments of `open_call`, `serve_calls` and `open_peerjs`, as programs give them."""

    ice_servers: Iterable[str | IceServer] | None
    ice_transport_policy: IceTransportPolicy
    ice_gathering: IceGatherOptions | None
    connect_timeout: float
    silence_timeout: float
    close_timeout: float
    max_frame_pixels: int
    max_unread_bytes: int


class CallKeywords(ConnectionKeywords, total=False):
    """Arguments of `open_call` and `serve_calls`, as programs give them."""

    tracks: Iterable[MediaTrack] | GiveTracks
    codecs: Iterable[str]
    simulcast: bool
    restart_timeout: float
    trace: Callable[[CallStep], None] | None
    code: str | None
    certificate: PeerCertificate | None
    trusted_keys: Iterable[str] | None


#: What is kept of what may come in another form. None stays None.
_KEPT: Final[Mapping[str, Callable[[Any], object]]] = {
    "tracks": lambda tracks: tracks if callable(tracks) else tuple(tracks),
    "receive": tuple,
    "codecs": tuple,
    "ice_servers": as_ice_servers,
    "code": OneTimeCode,
    "trusted_keys": parse_fingerprints,
}


@dataclass(frozen=True, kw_only=True)
class ConnectionOptions:
    """What is set for every connection: of a call, and of one with PeerJS."""

    ice_servers: Sequence[str | IceServer] | None = None
    ice_transport_policy: IceTransportPolicy = "all"
    ice_gathering: IceGatherOptions | None = None
    connect_timeout: float = 30.0
    silence_timeout: float = 5.0
    close_timeout: float = 5.0
    max_frame_pixels: int = MAX_FRAME_PIXELS
    max_unread_bytes: int = MAX_UNREAD_BYTES
    simulcast: bool = False
    certificate: PeerCertificate | None = None

    @classmethod
    def of(
        cls,
        function: str,
        keywords: type[ConnectionKeywords],
        options: Mapping[str, Any],
        **own: Any,
    ) -> Self:
        """What a function has been given.

        Args:
            function: its name.
            keywords: which options it takes.
            options: those it was given.
            own: its other arguments.

        Raises:
            TypeError: it takes no such option, in Python's words.
        """
        check_keywords(function, keywords, options)
        kept: dict[str, Any] = {**own, **options}
        for name, keep in _KEPT.items():
            if kept.get(name) is not None:
                kept[name] = keep(kept[name])
        return cls(**kept)

    def __post_init__(self) -> None:
        # A wait with another deadline would fail, or never end, in the middle of a call.
        for name in (field.name for field in fields(self) if field.name.endswith("_timeout")):
            seconds = getattr(self, name)
            if not isinstance(seconds, int | float) or not seconds >= 0:
                raise ValueError(f"{name} is {seconds!r}, and not a number of seconds")
        if not self.silence_timeout:
            raise ValueError("silence_timeout is 0: there is always a moment of silence")


@dataclass(frozen=True, kw_only=True)
class CallOptions(ConnectionOptions):
    """What `open_call` and `serve_calls` have in common.

    Attributes:
        one_way: offer what is sent, or what is received, and nothing else: no data channels.
    """

    tracks: Sequence[MediaTrack] | GiveTracks = ()
    receive: Sequence[Kind] = ()
    one_way: bool = False
    codecs: Sequence[str] = ()
    bundle_policy: BundlePolicy = "max-bundle"
    restart_timeout: float = 15.0
    trace: Callable[[CallStep], None] | None = None
    code: OneTimeCode | None = None
    trusted_keys: frozenset[str] | None = None


@asynccontextmanager
async def open_tracks(options: CallOptions, call: Call) -> AsyncIterator[Sequence[MediaTrack]]:
    """What is sent in a call, for as long as it lasts."""
    given = options.tracks(call) if callable(options.tracks) else options.tracks
    if isinstance(given, AbstractAsyncContextManager):
        async with given as opened:
            yield tuple(opened)
    else:
        yield tuple(given)


def choose_ice_servers(options: CallOptions, signaling: Signaling) -> Sequence[str | IceServer]:
    """What the program says; otherwise the environment; otherwise the signaling server.

    Raises:
        BadIceServer: the environment names something else.
    """
    if options.ice_servers is not None:
        return options.ice_servers
    return ice_servers_from_environment() or list(_issued(signaling))


def _issued(signaling: Signaling) -> Iterator[IceServer]:
    for server in signaling.ice_servers:
        try:
            yield IceServer(server.urls, server.username, server.credential)
        except BadIceServer as error:
            logger.warning("the signaling server tells of a bad ICE server: %s", error)
