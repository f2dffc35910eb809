"""`serve_signaling`: listeners, the parts of a server, and an orderly end."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn, Protocol, TypeVar

import trio

from ..tasks import require_trio
from .authorize import Authorize, everybody
from .cluster.cluster_settings import ClusterSettings
from .context import Context
from .counters import Statistics
from .dialects.classic.classic_dialect import ClassicDialect
from .dialects.dialect import ANY_PATH, Dialect, all_endpoints
from .dialects.native.native_dialect import NativeDialect
from .dialects.peerjs.peerjs_admission import PeerJSSettings
from .dialects.peerjs.peerjs_dialect import PeerJSDialect
from .dialects.whip.whip_dialect import WhipDialect
from .draining import Drain
from .http.accepting import Connections
from .http.connection import HttpExchange
from .http.hosts import Hosts
from .http.listeners import open_listeners
from .http.origins import Origins
from .http.page import page_routes
from .http.proxies import TrustedProxies
from .http.requests import RequestError
from .http.routes import Route, Router
from .hub.engine import HubEngine
from .hub.hub import Hub
from .limits import ServerLimits
from .turn import TurnCredentials
from .websocket.service import open_websocket_service

logger = logging.getLogger("trio_rtc.server")

ListenerT = TypeVar("ListenerT", bound=trio.abc.Listener[Any])

DRAIN_SECONDS = 2.0
TICK_SECONDS = 1.0

PEERJS_DEFAULTS: Final = PeerJSSettings()


async def serve_signaling(
    port: int,
    *,
    host: str | bytes | None = None,
    limits: ServerLimits | None = None,
    authorize: Authorize = everybody,
    origins: Iterable[str] | None = None,
    allowed_hosts: Iterable[str] | None = None,
    trusted_proxies: Iterable[str] = (),
    proxy_protocol: bool = False,
    turn: TurnCredentials | None = None,
    bind_classic: bool = True,
    peerjs: PeerJSSettings | None = PEERJS_DEFAULTS,
    cluster: ClusterSettings | None = None,
    page: bool = True,
    ssl_context: ssl.SSLContext | None = None,
    routes: Mapping[str, Route] | None = None,
    local_routes: Mapping[str, Route] | None = None,
    statistics: Statistics | None = None,
    drain_seconds: float = DRAIN_SECONDS,
    task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Run a signaling server until it is cancelled.

    Cancelled, it accepts nothing more, tells every peer that it shuts down, and lets answers
    under way arrive for up to ``drain_seconds``.

    Args:
        port: the TCP port; 0 takes a free one, the same for IPv4 and IPv6.
        host: the address to listen on; by default all.
        limits: what it puts up with.
        authorize: decides who may join, and as whom; see `authorize.Authorize`. By default
            everybody may.
        origins: the origins of the web pages that may use it, such as ``https://example.org``;
            by default all. Clients that are no browsers are not asked.
        allowed_hosts: the names that requests may be for, without a port, such as
            ``example.org`` or ``*.example.org``; by default any.
        trusted_proxies: addresses or networks of proxies, ``unix`` for Unix sockets, whose
            ``X-Forwarded-For`` is taken for the address of the client.
        proxy_protocol: whether connections from these begin with the PROXY protocol.
        turn: what native clients are given credentials for TURN servers from.
        bind_classic: whether a classic peer can be spoken for only from the address that it
            signed in from.
        peerjs: how PeerJS's protocol is spoken; None if it is not.
        cluster: the Redis that keeps all for several servers; by default it is kept in memory.
            It needs the extra ``trio-rtc[cluster]``.
        page: whether there is a page for browsers at ``/``, with its modules beside it.
        ssl_context: with it, the server speaks TLS only.
        routes: what else answers a GET, by path. An answer that is ``text/html`` is a page of
            yours, whose policy is for you to set; any other is none to a browser.
        local_routes: the same for requests of this machine only.
        statistics: what it counts in.
        drain_seconds: how long the end may take.
        task_status: reports the listeners when the server is ready (`trio.Nursery.start`).

    Raises:
        OSError: it cannot listen there.
        ClusterError: there is no such Redis, or none that will do.
        ValueError: one of the origins, hosts or proxies is none.
    """
    require_trio()
    listeners = await open_listeners(port, host)
    await serve_signaling_listeners(
        listeners,
        limits=limits,
        authorize=authorize,
        origins=origins,
        allowed_hosts=allowed_hosts,
        trusted_proxies=trusted_proxies,
        proxy_protocol=proxy_protocol,
        turn=turn,
        bind_classic=bind_classic,
        peerjs=peerjs,
        cluster=cluster,
        page=page,
        ssl_context=ssl_context,
        routes=routes,
        local_routes=local_routes,
        statistics=statistics,
        drain_seconds=drain_seconds,
        task_status=task_status,
    )


async def serve_signaling_listeners(
    listeners: Sequence[ListenerT],
    *,
    limits: ServerLimits | None = None,
    authorize: Authorize = everybody,
    origins: Iterable[str] | None = None,
    allowed_hosts: Iterable[str] | None = None,
    trusted_proxies: Iterable[str] = (),
    proxy_protocol: bool = False,
    turn: TurnCredentials | None = None,
    bind_classic: bool = True,
    peerjs: PeerJSSettings | None = PEERJS_DEFAULTS,
    cluster: ClusterSettings | None = None,
    page: bool = True,
    ssl_context: ssl.SSLContext | None = None,
    routes: Mapping[str, Route] | None = None,
    local_routes: Mapping[str, Route] | None = None,
    statistics: Statistics | None = None,
    drain_seconds: float = DRAIN_SECONDS,
    task_status: trio.TaskStatus[list[ListenerT]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """`serve_signaling` on listeners of your own, which it closes at its end."""
    try:
        allowed, hosts = Origins(origins), Hosts(allowed_hosts)
        proxies = TrustedProxies(trusted_proxies)
    except ValueError:
        for listener in listeners:
            await trio.aclose_forcefully(listener)
        raise
    context = Context(
        limits=limits or ServerLimits(),
        statistics=statistics or Statistics(),
        authorize=authorize,
        origins=allowed,
        hosts=hosts,
        proxies=proxies,
    )
    drain = Drain()
    async with (
        _closing(listeners),
        _open_engine(cluster, context) as hub,
        open_websocket_service(context, drain) as service,
        trio.open_nursery() as nursery,
    ):
        dialects = _dialects(hub, context, turn=turn, bind_classic=bind_classic, peerjs=peerjs)
        endpoints = all_endpoints(dialects)
        context.start_soon = nursery.start_soon
        websockets = {
            path: service.handler(endpoint.subprotocols, endpoint.opening)
            for path, endpoint in endpoints.websockets.items()
        }
        parts: list[_Part] = [*dialects, service]
        router = Router(
            context,
            routes={**endpoints.routes, **(routes or {})},
            websocket=websockets.pop(ANY_PATH, None),
            websockets=websockets,
            files=page_routes() if page else {},
            local_routes=local_routes,
            posts=endpoints.posts,
            resources=endpoints.resources,
            otherwise=endpoints.otherwise or _not_found,
        )
        connections = Connections(
            context, drain, ssl_context, router, proxy_protocol=proxy_protocol
        )

        def begin_to_end() -> None:
            # The connections are shielded: from here on they have this long.
            drain.begin(trio.current_time() + drain_seconds)
            context.closing.set()
            for dialect in dialects:
                dialect.drain()
            service.close_all()
            connections.hand_over()

        nursery.start_soon(_when_cancelled, begin_to_end)
        nursery.start_soon(_tick, parts)
        nursery.start_soon(context.chores.run)
        nursery.start_soon(context.turns.run)
        nursery.start_soon(context.timers.run)
        await nursery.start(connections.accept, listeners, nursery)
        task_status.started(list(listeners))
        await trio.sleep_forever()
    raise AssertionError("it only ends by an exception")


async def serve_routes(
    listeners: Sequence[ListenerT],
    routes: Mapping[str, Route],
    hosts: Hosts,
    *,
    task_status: trio.TaskStatus[list[ListenerT]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Answer these GETs for these hosts, and nothing else, and no page, until it is cancelled."""
    context, drain = Context(origins=Origins([]), hosts=hosts), Drain()
    router = Router(context, routes=routes, websocket=None, otherwise=_not_found)
    connections = Connections(context, drain, None, router)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_when_cancelled, lambda: drain.begin(trio.current_time()))
        await nursery.start(connections.accept, listeners, nursery)
        task_status.started(list(listeners))
        await trio.sleep_forever()
    raise AssertionError("it only ends by an exception")


@asynccontextmanager
async def _closing(listeners: Sequence[trio.abc.Listener[Any]]) -> AsyncIterator[None]:
    """A block at whose end nobody listens, however it ends."""
    try:
        yield
    finally:
        for listener in listeners:
            await trio.aclose_forcefully(listener)


@asynccontextmanager
async def _open_engine(
    cluster: ClusterSettings | None, context: Context
) -> AsyncIterator[HubEngine]:
    """What keeps rooms, members and mail, for a block."""
    if cluster is None:
        yield Hub(context.limits, context.statistics, context.chores.add)
        return
    # Who serves alone needs nothing of this.
    from .cluster.cluster_server import open_cluster

    async with open_cluster(cluster, context) as server:
        context.trouble = lambda: server.trouble
        yield server.hub


def _dialects(
    hub: HubEngine,
    context: Context,
    *,
    turn: TurnCredentials | None,
    bind_classic: bool,
    peerjs: PeerJSSettings | None,
) -> list[Dialect]:
    """All protocols that the server speaks."""
    dialects: list[Dialect] = [
        ClassicDialect(hub, context, bound=bind_classic),
        NativeDialect(hub, context, turn),
        *(WhipDialect(protocol, hub, context, turn) for protocol in ("whip", "whep")),
    ]
    if peerjs is not None:
        dialects.append(PeerJSDialect(hub, context, peerjs))
    return dialects


def _not_found(exchange: HttpExchange) -> None:
    exchange.refuse(RequestError(404, "Not Found", "There is nothing of this name."))


class _Part(Protocol):
    """What has something to do from time to time."""

    def tick(self, now: float) -> bool:
        """Do some of what is due; whether there may be more. Called about once in a second."""


async def _when_cancelled(fn: Callable[[], None]) -> NoReturn:
    """Call it in the turn in which the listeners are closed: nothing is answered in between."""
    try:
        await trio.sleep_forever()
    finally:
        fn()


async def _tick(parts: Sequence[_Part]) -> NoReturn:
    while True:
        await trio.sleep(TICK_SECONDS)
        for part in parts:
            while part.tick(trio.current_time()):
                await trio.lowlevel.checkpoint()
