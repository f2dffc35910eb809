"""A dialect: a protocol in which peers speak to the server.

It stands between the requests of its clients and the hub. Another one is a module or a folder
beside this, and a line in `serve.py`; it knows none of the others.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ..http.connection import Handler
from ..http.routes import Route
from ..websocket.service import Opening

ANY_PATH: Final = "*"
"""Stands for all paths at which nobody else answers."""


@dataclass(frozen=True, slots=True)
class WebSocketEndpoint:
    """Where a protocol is spoken over WebSocket.

    Attributes:
        opening: what is done first with a connection.
        subprotocols: which of these a client has to offer; none if it has to offer nothing.
    """

    opening: Opening
    subprotocols: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoints:
    """The requests that a dialect answers, by path.

    Attributes:
        routes: those with GET, without waiting.
        posts: those with POST.
        resources: those of any method, at a path that begins so; each ends with a slash.
        websockets: those for a WebSocket; `ANY_PATH` for one at any other path.
        otherwise: all that nobody else answers.
    """

    routes: Mapping[str, Route] = field(default_factory=dict)
    posts: Mapping[str, Handler] = field(default_factory=dict)
    resources: Mapping[str, Handler] = field(default_factory=dict)
    websockets: Mapping[str, WebSocketEndpoint] = field(default_factory=dict)
    otherwise: Handler | None = None


class Dialect(Protocol):
    """What the server asks of each."""

    @property
    @abstractmethod
    def endpoints(self) -> Endpoints:
        """Which requests it answers. Asked for once."""

    @abstractmethod
    def tick(self, now: float) -> bool:
        """Do some of what is due; whether there may be more. Called about once in a second."""

    def drain(self) -> None:
        """The server ends. Who waits for an answer gets one now; WebSockets are closed anyway."""
        return


def all_endpoints(dialects: Iterable[Dialect]) -> Endpoints:
    """The endpoints of all.

    Raises:
        ValueError: two would answer the same requests.
    """
    routes: dict[str, Route] = {}
    posts: dict[str, Handler] = {}
    resources: dict[str, Handler] = {}
    websockets: dict[str, WebSocketEndpoint] = {}
    otherwise: dict[str, Handler] = {}
    for dialect in dialects:
        its = dialect.endpoints
        _add(routes, its.routes)
        _add(posts, its.posts)
        _add(resources, its.resources)
        _add(websockets, its.websockets)
        _add(otherwise, {} if its.otherwise is None else {ANY_PATH: its.otherwise})
    return Endpoints(
        routes=routes,
        posts=posts,
        resources=resources,
        websockets=websockets,
        otherwise=otherwise.get(ANY_PATH),
    )


def _add(to: dict[str, Any], more: Mapping[str, Any]) -> None:
    if both := to.keys() & more.keys():
        raise ValueError(f"two protocols are spoken at {', '.join(sorted(both))}")
    to.update(more)
