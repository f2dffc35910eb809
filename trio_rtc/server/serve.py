"""`serve_signaling`: listeners, one task per connection, and an orderly end."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar

import trio

from .addresses import Quota, party, peer_address
from .authorize import Authorize, everybody
from .classic import ClassicDialect
from .connection import LINGER_SECONDS, Connection, Handler
from .context import Context
from .hub import Hub
from .limits import ServerLimits
from .listeners import accept_eagerly, keep_alive, open_listeners
from .native import NativeDialect
from .origins import Origins
from .page import page_routes
from .peerjs import PeerJSDialect
from .peerjs_admission import PeerJSSettings
from .requests import RequestError
from .routes import Route, Router
from .statistics import Statistics
from .turn import TurnCredentials

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
    turn: TurnCredentials | None = None,
    bind_classic: bool = True,
    peerjs: PeerJSSettings | None = PEERJS_DEFAULTS,
    page: bool = True,
    ssl_context: ssl.SSLContext | None = None,
    routes: Mapping[str, Route] | None = None,
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
        turn: what native clients are given credentials for TURN servers from.
        bind_classic: whether a classic peer can be spoken for only from the address that it
            signed in from.
        peerjs: how PeerJS's protocol is spoken; None if it is not.
        page: whether there is a page for browsers at ``/``, with its modules beside it.
        ssl_context: with it, the server speaks TLS only.
        routes: what else answers a GET, by path.
        statistics: what it counts in.
        drain_seconds: how long the end may take.
        task_status: reports the listeners when the server is ready (`trio.Nursery.start`).

    Raises:
        OSError: it cannot listen there.
        ValueError: one of the origins is none.
    """
    listeners = await open_listeners(port, host)
    await serve_signaling_listeners(
        listeners,
        limits=limits,
        authorize=authorize,
        origins=origins,
        turn=turn,
        bind_classic=bind_classic,
        peerjs=peerjs,
        page=page,
        ssl_context=ssl_context,
        routes=routes,
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
    turn: TurnCredentials | None = None,
    bind_classic: bool = True,
    peerjs: PeerJSSettings | None = PEERJS_DEFAULTS,
    page: bool = True,
    ssl_context: ssl.SSLContext | None = None,
    routes: Mapping[str, Route] | None = None,
    statistics: Statistics | None = None,
    drain_seconds: float = DRAIN_SECONDS,
    task_status: trio.TaskStatus[list[ListenerT]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """`serve_signaling` on listeners of your own, which it closes at its end."""
    context = Context(
        limits=limits or ServerLimits(),
        statistics=statistics or Statistics(),
        authorize=authorize,
        origins=Origins(origins),
    )
    hub = Hub(context.limits, context.statistics)
    classic = ClassicDialect(hub, context, bound=bind_classic)
    native = NativeDialect(hub, context, turn)
    dialects: list[_Dialect] = [classic, native]
    all_routes: dict[str, Route] = {}
    websockets: Mapping[str, Handler] = {}
    if peerjs is not None:
        peerjs_dialect = PeerJSDialect(hub, context, peerjs)
        dialects.append(peerjs_dialect)
        all_routes |= peerjs_dialect.routes
        websockets = peerjs_dialect.websockets
    router = Router(
        context,
        routes={**all_routes, **(routes or {})},
        websockets=websockets,
        files=page_routes() if page else {},
        websocket=native.handle,
        otherwise=classic.handle,
    )
    server = _Server(context, ssl_context, router, dialects)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.tick)
        try:
            await trio.serve_listeners(
                server.serve_connection,
                [accept_eagerly(listener) for listener in listeners],
                handler_nursery=nursery,
                task_status=_Started(task_status, list(listeners)),
            )
        finally:
            # The connections are shielded: from here on they have this long.
            server.drain(trio.current_time() + drain_seconds)
    raise AssertionError("it only ends by an exception")


class _Started(Generic[ListenerT]):
    """Reports the listeners as they were given."""

    def __init__(self, task_status: trio.TaskStatus[list[ListenerT]], listeners: list[ListenerT]):
        self._task_status = task_status
        self._listeners = listeners

    def started(self, _: object = None) -> None:
        self._task_status.started(self._listeners)


class _Dialect(Protocol):
    """A protocol that peers speak."""

    def tick(self, now: float) -> None:
        """Do what is due. Called about once in a second."""

    def wake_all(self) -> None:
        """Tell every client that the server ends."""


class _Server:
    def __init__(
        self,
        context: Context,
        ssl_context: ssl.SSLContext | None,
        router: Router,
        dialects: Sequence[_Dialect],
    ):
        self._context = context
        self._ssl_context = ssl_context
        self._router = router
        self._dialects = dialects
        self._per_address = Quota(context.limits.connections_per_address)
        self._connections: set[trio.CancelScope] = set()
        self._deadline: float | None = None

    async def serve_connection(self, stream: trio.abc.Stream) -> None:
        address = peer_address(stream)
        who = party(address)
        statistics = self._context.statistics
        statistics.connections += 1
        number = statistics.connections
        refused = self._per_address.is_used_up(who)
        if refused:
            statistics.over_limit["connections_per_address"] += 1
        # An answer to those over the limit costs something too; there is a limit to that.
        if self._deadline is not None or self._per_address.is_used_up(who, times=2):
            await trio.aclose_forcefully(stream)
            return
        keep_alive(stream)
        with trio.CancelScope(shield=True) as scope:
            self._connections.add(scope)
            self._per_address.add(who)
            statistics.connections_open += 1
            try:
                await self._serve(stream, address, number, refused=refused)
            except Exception:
                # One connection never ends another, and a server never ends by a mistake.
                statistics.failures += 1
                log = {"connection": number, "address": address}
                logger.exception("a connection ended by an unexpected error", extra=log)
            finally:
                self._connections.remove(scope)
                self._per_address.remove(who)
                statistics.connections_open -= 1

    async def _serve(
        self, stream: trio.abc.Stream, address: str, number: int, *, refused: bool
    ) -> None:
        if self._ssl_context is not None:
            # Clients end without saying so, as is usual with HTTP.
            stream = trio.SSLStream(
                stream, self._ssl_context, server_side=True, https_compatible=True
            )
        try:
            if isinstance(stream, trio.SSLStream) and not await self._shake_hands(stream):
                return
            connection = Connection(stream, self._router.handle, self._context, address, number)
            if refused:
                await connection.refuse(
                    RequestError(
                        429,
                        "Too Many Requests",
                        "There are too many connections from your address.",
                    )
                )
            else:
                await connection.run()
        finally:
            with trio.move_on_after(LINGER_SECONDS):
                await stream.aclose()

    async def _shake_hands(self, stream: trio.SSLStream[trio.abc.Stream]) -> bool:
        with trio.move_on_after(self._context.limits.handshake_seconds) as scope:
            try:
                await stream.do_handshake()
            except trio.BrokenResourceError:
                logger.debug("a client does not speak TLS as we do")
                self._context.statistics.malformed += 1
                return False
        if scope.cancelled_caught:
            self._context.statistics.over_limit["handshake_seconds"] += 1
        return not scope.cancelled_caught

    async def tick(self) -> NoReturn:
        while True:
            await trio.sleep(TICK_SECONDS)
            for dialect in self._dialects:
                dialect.tick(trio.current_time())

    def drain(self, deadline: float) -> None:
        self._deadline = deadline
        self._context.closing.set()
        for dialect in self._dialects:
            dialect.wake_all()
        for scope in self._connections:
            scope.deadline = deadline
