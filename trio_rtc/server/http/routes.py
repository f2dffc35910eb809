"""Routing: which part of the server answers a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from ..context import Context
from .addresses import LOOPBACK
from .connection import Handler, HttpExchange
from .hosts import Hosts
from .requests import Request, RequestError
from .responses import Response

Route: TypeAlias = Callable[[Request], Response]
"""Answers a GET. It must not take long: everybody waits for it."""

UPGRADE: Final = "websocket"


class Router:
    """The handler of a server's connections.

    Args:
        routes: what answers a GET of each of these paths.
        websockets: what answers a request for a WebSocket on each of these paths.
        websocket: the same for any other path.
        files: what answers a GET of these paths, whatever page it comes from: it is the same for
            everybody, and browsers tell an origin even for the scripts of its own page.
        local_routes: what answers a GET of each of these paths, but only one that comes from this
            machine, through no proxy that tells, and from no page.
        posts: what answers a POST of each of these paths.
        resources: what answers any other request for a path that begins like one of these, each
            of which ends with a slash.
        otherwise: what answers everything else.
    """

    def __init__(
        self,
        context: Context,
        *,
        routes: Mapping[str, Route],
        websocket: Handler | None,
        otherwise: Handler,
        websockets: Mapping[str, Handler] | None = None,
        files: Mapping[str, Route] | None = None,
        local_routes: Mapping[str, Route] | None = None,
        posts: Mapping[str, Handler] | None = None,
        resources: Mapping[str, Handler] | None = None,
    ):
        self._context = context
        self._files = dict(files or {})
        self._local = dict(local_routes or {})
        self._routes: dict[str, Route] = {
            "/healthz": healthz(context.trouble),
            **self._files,
            **self._local,
            **routes,
        }
        self._websocket = websocket
        self._websockets = websockets or {}
        self._posts = posts or {}
        self._resources = resources or {}
        self._otherwise = otherwise

    def handle(self, exchange: HttpExchange) -> Awaitable[None] | None:
        """Answer a request, or have it answered; see `connection.Handler`."""
        request = exchange.request
        if request.path != "/healthz" and not self._context.hosts.allow(
            request.headers.get("host")
        ):
            self._context.statistics.refused += 1
            # RFC 9110, section 15.5.20
            exchange.refuse(
                RequestError(421, "Misdirected Request", "The server does not go by that name.")
            )
            return None
        is_file = request.path in self._files and request.method in ("GET", "HEAD")
        is_open = is_file and not asks_for_websocket(request)
        if not is_open and not self._context.origins.allow(request.all_headers):
            self._context.statistics.refused += 1
            exchange.refuse(
                RequestError(403, "Forbidden", "The origin of this page is not allowed here.")
            )
        elif request.method == "OPTIONS" and not self._resource(request.path):
            # RFC 9110, section 9.3.7, and what a browser asks before others (Fetch, section 4.8).
            exchange.respond(
                Response(200, "OK", content_type=None, extra={"Allow": "GET, HEAD, POST, OPTIONS"})
            )
        elif asks_for_websocket(request) and (
            websocket := self._websockets.get(request.path, self._websocket)
        ):
            return websocket(exchange)
        elif route := self._routes.get(request.path):
            if request.method not in ("GET", "HEAD"):
                response = Response(
                    405,
                    "Method Not Allowed",
                    f"{request.path} is asked for with GET.".encode(),
                    extra={"Allow": "GET, HEAD"},
                )
                exchange.respond(response)
            elif request.path in self._local and not is_local(exchange, self._context.hosts):
                exchange.refuse(
                    RequestError(403, "Forbidden", f"{request.path} is for this machine only.")
                )
            else:
                exchange.respond(route(request))
        elif request.method == "POST" and (handler := self._posts.get(request.path)):
            return handler(exchange)
        elif resource := self._resource(request.path):
            return resource(exchange)
        else:
            return self._otherwise(exchange)
        return None

    def _resource(self, path: str) -> Handler | None:
        return next((each for root, each in self._resources.items() if path.startswith(root)), None)


def asks_for_websocket(request: Request) -> bool:
    """Whether a request offers to go on with WebSocket (RFC 6455, section 4.2.1).

    What HTTP/1.0 says about upgrading is to be ignored (RFC 9110, section 7.8).
    """
    return (
        request.method == "GET"
        and request.version == "1.1"
        and UPGRADE in request.options("upgrade")
        and "upgrade" in request.options("connection")
    )


#: By which a request shows that it comes from elsewhere: from a proxy, or from a page.
_FROM_ELSEWHERE: Final = {"forwarded", "x-forwarded-for", "x-real-ip", "via", "origin"}


def is_local(exchange: HttpExchange, hosts: Hosts) -> bool:
    """Whether a request comes from a program of this machine, as far as one can see."""
    headers = exchange.request.headers
    if exchange.client_network not in ("", LOOPBACK):
        return False
    # A browser of this machine may show a page whose name leads here.
    if not hosts.is_no_foreign_name(headers.get("host")):
        return False
    return not _FROM_ELSEWHERE & headers.keys() and headers.get("sec-fetch-site", "none") == "none"


def healthz(trouble: Callable[[], str | None]) -> Route:
    """What tells that the server answers, or why it is of no use all the same."""

    def route(request: Request) -> Response:
        if (why := trouble()) is not None:
            return Response(503, "Service Unavailable", why.encode())
        return Response(200, "OK", b"ok")

    return route
