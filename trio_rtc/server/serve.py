"""`serve_signaling`: listeners, the parts of a server, and an orderly end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, Protocol, TypeVar, Unpack

import trio

from ..keywords import check_keywords, spelled_out
from ..tasks import require_trio
from .cluster.cluster_settings import ClusterSettings
from .context import Context
from .counters import Statistics
from .dialects.classic.classic_dialect import ClassicDialect
from .dialects.dialect import ANY_PATH, Dialect, all_endpoints
from .dialects.hosted.hosted_dialect import HostedDialect
from .dialects.native.native_dialect import NativeDialect
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
from .server_options import ServerKeywords, ServerOptions
from .websocket.service import open_websocket_service

logger = logging.getLogger("trio_rtc.server")

ListenerT = TypeVar("ListenerT", bound=trio.abc.Listener[Any])

TICK_SECONDS = 1.0


@spelled_out(ServerKeywords, ServerOptions)
async def serve_signaling(
    port: int,
    *,
    host: str | bytes | None = None,
    task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
    **options: Unpack[ServerKeywords],
) -> NoReturn:
    """Run a signaling server until it is cancelled.

    Cancelled, it accepts nothing more, tells every peer that it shuts down, and lets answers
    under way arrive for up to ``drain_seconds``.

    Args:
        port: the TCP port; 0 takes a free one, the same for IPv4 and IPv6.
        host: the address to listen on; by default all.
        task_status: reports the listeners when the server is ready (`trio.Nursery.start`).
        **options: these, as for `serve_signaling_listeners`:
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
        publishers: who takes what is sent by WHIP to a name that nobody has, such as
            `trio_rtc.relay_host`; by default nobody.
        cluster: the Redis that keeps all for several servers; by default it is kept in memory.
            It needs the extra ``trio-rtc[cluster]``.
        page: whether there is a page for browsers at ``/``, with its modules beside it.
        ssl_context: with it, the server speaks TLS only.
        routes: what else answers a GET, by path. An answer that is ``text/html`` is a page of
            yours, whose policy is for you to set; any other is none to a browser.
        local_routes: the same for requests of this machine only.
        statistics: what it counts in.
        drain_seconds: how long the end may take.

    Raises:
        OSError: it cannot listen there.
        ClusterError: there is no such Redis, or none that will do.
        ValueError: one of the origins, hosts or proxies is none.
    """
    require_trio()
    check_keywords("serve_signaling", ServerKeywords, options)
    await _serve(await open_listeners(port, host), ServerOptions(**options), task_status)


@spelled_out(ServerKeywords, ServerOptions)
async def serve_signaling_listeners(
    listeners: Sequence[ListenerT],
    *,
    task_status: trio.TaskStatus[list[ListenerT]] = trio.TASK_STATUS_IGNORED,
    **options: Unpack[ServerKeywords],
) -> NoReturn:
    """`serve_signaling` on listeners of your own, which it closes at its end.

    Args:
        listeners: they give streams of bytes, as those of `trio.open_tcp_listeners` do.
        task_status: given the listeners when they are served.
        options: as of `serve_signaling`, which has the errors, too.
    """
    check_keywords("serve_signaling_listeners", ServerKeywords, options)
    await _serve(listeners, ServerOptions(**options), task_status)


async def _serve(
    listeners: Sequence[ListenerT],
    options: ServerOptions,
    task_status: trio.TaskStatus[list[ListenerT]],
) -> NoReturn:
    try:
        allowed, hosts = Origins(options.origins), Hosts(options.allowed_hosts)
        proxies = TrustedProxies(options.trusted_proxies)
    except ValueError:
        for listener in listeners:
            await trio.aclose_forcefully(listener)
        raise
    context = Context(
        limits=options.limits or ServerLimits(),
        statistics=options.statistics or Statistics(),
        authorize=options.authorize,
        origins=allowed,
        hosts=hosts,
        proxies=proxies,
    )
    drain = Drain()
    async with (
        _closing(listeners),
        _open_engine(options.cluster, context) as hub,
        open_websocket_service(context, drain) as service,
        trio.open_nursery() as nursery,
    ):
        dialects = _dialects(hub, context, options)
        endpoints = all_endpoints(dialects)
        context.start_soon = nursery.start_soon
        websockets = {
            path: service.handler(endpoint.subprotocols, endpoint.opening)
            for path, endpoint in endpoints.websockets.items()
        }
        parts: list[_Part] = [*dialects, service]
        router = Router(
            context,
            routes={**endpoints.routes, **(options.routes or {})},
            websocket=websockets.pop(ANY_PATH, None),
            websockets=websockets,
            files=page_routes() if options.page else {},
            local_routes=options.local_routes,
            posts=endpoints.posts,
            resources=endpoints.resources,
            otherwise=endpoints.otherwise or _not_found,
        )
        connections = Connections(
            context, drain, options.ssl_context, router, proxy_protocol=options.proxy_protocol
        )

        def begin_to_end() -> None:
            # The connections are shielded: from here on they have this long.
            drain.begin(trio.current_time() + options.drain_seconds)
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


def _dialects(hub: HubEngine, context: Context, options: ServerOptions) -> list[Dialect]:
    """All protocols that the server speaks."""
    hosted = None if (host := options.publishers) is None else HostedDialect(hub, context, host)
    find_or_open = None if hosted is None else hosted.find_or_open
    dialects: list[Dialect] = [
        ClassicDialect(hub, context, bound=options.bind_classic),
        NativeDialect(hub, context, options.turn),
        WhipDialect("whip", hub, context, options.turn, find_or_open),
        WhipDialect("whep", hub, context, options.turn),
    ]
    if hosted is not None:
        dialects.append(hosted)
    if options.peerjs is not None:
        dialects.append(PeerJSDialect(hub, context, options.peerjs))
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
