"""WebSocket service: the life of each, from the handshake to the end, whatever is said."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import trio

from ...tasks import open_background_nursery
from ...wire.close_codes import REASONS, CloseCode
from ..context import Context
from ..draining import Drain
from ..http.accepted import RECEIVE_BYTES, Accepted
from ..http.connection import Handler, HttpExchange, too_many_connections
from ..http.responses import Response
from ..http.shared_reader import read_at_once
from .frames import Receiver, WebSocket
from .heartbeat import Heartbeat
from .sending import Task
from .upgrade import accept

logger = logging.getLogger("trio_rtc.server")

#: A message costs the same time however short it is: of what may be many, so much is read at once,
#: and of what is one, more.
PIECE_BYTES: Final = 4 * 1024

UNEXPECTED: Final = "a connection ended by an unexpected error"

Opening: TypeAlias = Callable[[WebSocket, HttpExchange], Awaitable[Receiver | None]]
"""What a dialect does first with a connection. It gives who hears the rest; None ends it."""


class WebSocketService:
    """Serves WebSockets; comes from `open_websocket_service`.

    One on a plain socket has a task only while it is opened, and while it is closed: between,
    one task reads for all of them. Any other one keeps its task.
    """

    def __init__(self, context: Context, drain: Drain, nursery: trio.Nursery):
        self._context = context
        self._drain = drain
        self._reader = context.reader
        self._nursery = nursery
        self._heartbeat = Heartbeat(context)
        self._open: dict[WebSocket, None] = {}

    def tick(self, now: float) -> bool:
        """Do some of what is due; whether there may be more. To be called once in a second."""
        return self._heartbeat.tick(now)

    def close_all(self) -> None:
        """Tell every client that the server ends."""
        for websocket in list(self._open):
            self._close_for_shutdown(websocket)

    def handler(self, subprotocols: Sequence[str], opening: Opening) -> Handler:
        """What answers requests for a WebSocket on which one of these is spoken."""

        async def upgrade(exchange: HttpExchange) -> None:
            answer = accept(exchange.request, subprotocols)
            if isinstance(answer, Response):
                self._context.statistics.malformed += 1
                exchange.respond(answer)
                return
            if not exchange.claim():
                exchange.refuse(too_many_connections())
                return
            accepted, received = await exchange.take_over(answer)
            await self.serve(accepted, received, lambda websocket: opening(websocket, exchange))

        return upgrade

    async def serve(
        self,
        accepted: Accepted,
        received: bytes,
        opening: Callable[[WebSocket], Awaitable[Receiver | None]],
    ) -> None:
        """Serve a connection until it is closed, or until it needs no task for now.

        The answer to the handshake has been sent; ``received`` is what came behind it.
        """
        websocket = WebSocket(accepted, self._context, self._start, self._closing)
        self._begin(websocket)
        handed_on = False
        try:
            with trio.CancelScope() as scope:
                websocket.scope = scope
                try:
                    handed_on = await self._converse(websocket, received, opening)
                except Exception:
                    logger.exception(UNEXPECTED, extra=websocket.log)
                    self._fail(websocket)
                if not handed_on:
                    await websocket.finish()
        finally:
            if handed_on:
                websocket.scope = None
            else:
                await self._end(websocket)

    async def _converse(
        self,
        websocket: WebSocket,
        received: bytes,
        opening: Callable[[WebSocket], Awaitable[Receiver | None]],
    ) -> bool:
        """Serve a connection; tell whether the reader of all goes on with it."""
        if self._context.closing.is_set():
            self._close_for_shutdown(websocket)
            return False
        if received:
            websocket.feed(received)
        receiver = await opening(websocket)
        if receiver is None:
            return False
        websocket.listen(receiver)
        reading = _Reading(self, websocket)
        if websocket.is_open and self._reader.add(websocket.accepted.stream, reading):
            return True
        while websocket.is_open:
            await websocket.read()
        return False

    def receive(self, websocket: WebSocket, data: bytes) -> None:
        """Take in what has come on a connection; nothing is the end."""
        try:
            websocket.feed(data)
        except Exception:
            logger.exception(UNEXPECTED, extra=websocket.log)
            self._fail(websocket)

    def _fail(self, websocket: WebSocket) -> None:
        """The client is told at least that it is not to blame."""
        self._context.statistics.failures += 1
        websocket.fail(CloseCode.INTERNAL_ERROR, "")

    def _closing(self, websocket: WebSocket) -> None:
        self._heartbeat.remove(websocket)
        if websocket.scope is None:
            self._reader.remove(websocket.accepted.stream)
            websocket.scope = trio.CancelScope()
            self._nursery.start_soon(self._finish, websocket)
        websocket.scope.deadline = websocket.deadline

    async def _finish(self, websocket: WebSocket) -> None:
        assert websocket.scope is not None
        with self._drain.shield():
            try:
                with websocket.scope:
                    await websocket.finish()
            except Exception:
                logger.exception(UNEXPECTED, extra=websocket.log)
                self._context.statistics.failures += 1
            finally:
                await self._end(websocket)

    def _start(self, task: Task) -> None:
        self._nursery.start_soon(self._run, task)

    async def _run(self, task: Task) -> None:
        # It ends at the latest when the stream is closed.
        with self._drain.shield():
            await task()

    def _begin(self, websocket: WebSocket) -> None:
        self._context.statistics.websockets += 1
        self._context.statistics.websockets_open += 1
        self._open[websocket] = None
        self._heartbeat.add(websocket, trio.current_time())

    async def _end(self, websocket: WebSocket) -> None:
        try:
            websocket.ignore()
        finally:
            self._heartbeat.remove(websocket)
            del self._open[websocket]
            self._context.statistics.websockets_open -= 1
            try:
                await websocket.accepted.aclose()
            finally:
                websocket.ended()

    def _close_for_shutdown(self, websocket: WebSocket) -> None:
        websocket.close(CloseCode.GOING_AWAY, REASONS[CloseCode.GOING_AWAY])


@asynccontextmanager
async def open_websocket_service(context: Context, drain: Drain) -> AsyncIterator[WebSocketService]:
    """Serve WebSockets in this block. When it is left, those that are open are closed."""
    with context.reader:
        async with open_background_nursery() as nursery:
            service = WebSocketService(context, drain, nursery)
            nursery.start_soon(context.reader.run)
            try:
                yield service
            finally:
                service.close_all()


class _Reading:
    """An open WebSocket that needs no task for now."""

    __slots__ = ("_service", "_websocket", "client_network")

    def __init__(self, service: WebSocketService, websocket: WebSocket):
        self._service = service
        self._websocket = websocket
        self.client_network = websocket.accepted.counted

    def read(self, number: int) -> float:
        websocket = self._websocket
        size = RECEIVE_BYTES if websocket.is_midway else PIECE_BYTES
        if (data := read_at_once(number, size)) is not None:
            self._service.receive(websocket, data)
        return 0.0
