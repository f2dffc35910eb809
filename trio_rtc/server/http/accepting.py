"""Accepting connections: who may have how many, TLS, and that each is closed."""

from __future__ import annotations

import enum
import logging
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import trio

from ..context import Context
from ..draining import Drain
from .accepted import Accepted
from .addresses import client_network, peer_address
from .connection import CLOSE_SECONDS, HELD_SECONDS, too_many_connections
from .listeners import EagerListener, keep_alive
from .proxy_protocol import NoProxyHeader, read_client_address
from .routes import Router
from .serving.served_connection import ServedConnection
from .shared_reader import descriptor

logger = logging.getLogger("trio_rtc.server")

ACCEPT_SECONDS: Final = 0.00005
"""What it takes to accept a connection that needs no task."""


class _Vacancy(enum.Enum):
    """What place there is for a connection."""

    FREE = enum.auto()
    REFUSED = enum.auto()
    """None, which it is told."""
    CLOSED_LATER = enum.auto()
    """None, and there is no place for telling it."""
    CLOSED = enum.auto()


class Connections:
    """Serves connections, as many as there may be."""

    def __init__(
        self,
        context: Context,
        drain: Drain,
        ssl_context: ssl.SSLContext | None,
        router: Router,
        *,
        proxy_protocol: bool = False,
    ):
        self._context = context
        self._drain = drain
        self._ssl_context = ssl_context
        self._router = router
        self._per_address = context.connections
        self._proxy_protocol = proxy_protocol

    async def accept(
        self,
        listeners: Sequence[trio.abc.Listener[Any]],
        nursery: trio.Nursery,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> NoReturn:
        """Accept connections until cancelled; it closes the listeners then.

        The nursery is that of the tasks that serve them, and outlives this.
        """
        async with trio.open_nursery() as accepting:
            for listener in listeners:
                accepting.start_soon(self._accept_from, listener, nursery)
            task_status.started()
            await trio.sleep_forever()
        raise AssertionError("it only ends by an exception")

    async def _accept_from(self, listener: trio.abc.Listener[Any], nursery: trio.Nursery) -> None:
        if not isinstance(listener, trio.SocketListener) or descriptor(listener) < 0:
            await self._accept_streams(listener, nursery)
            return
        eager = EagerListener(listener)
        if self._ssl_context is not None or self._proxy_protocol or os.name != "posix":
            await self._accept_streams(eager, nursery)
        else:
            await self._accept_plain(eager, nursery)

    async def _accept_streams(
        self, listener: trio.abc.Listener[trio.abc.Stream], nursery: trio.Nursery
    ) -> None:
        async def serve(stream: trio.abc.Stream) -> None:
            await self._serve(stream, nursery)

        await trio.serve_listeners(serve, [listener], handler_nursery=nursery)

    async def _accept_plain(self, listener: EagerListener, nursery: trio.Nursery) -> None:
        """Nothing but HTTP is spoken on these: a connection needs no task before it has to wait."""

        def begin(plain: socket.socket, address: str) -> float:
            self._context.turns.take(ACCEPT_SECONDS)
            return self._begin(plain, address, nursery)

        async with listener:
            while True:
                await listener.accept_in(self._context.reader, begin)
                # There is no such reader here, or none yet.
                for plain, address in await listener.accept_sockets():
                    with self._context.turns.flush_batch:
                        begin(plain, address)
                await trio.lowlevel.checkpoint()

    def _begin(self, plain: socket.socket, address: str, nursery: trio.Nursery) -> float:
        """Begin to serve a connection; tell as `Readable.read` how long others go on for it."""
        self._context.statistics.connections += 1
        who, vacancy = self._vacancy(address)
        if vacancy is _Vacancy.CLOSED:
            plain.close()
            return 0.0
        if vacancy is _Vacancy.CLOSED_LATER:
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(plain))
            nursery.start_soon(self._hold, stream, who)
            return 0.0
        connection = self._connection(plain, address, who, nursery)
        if vacancy is _Vacancy.REFUSED:
            connection.decline(too_many_connections())
        return connection.begin()

    async def _serve(self, stream: trio.abc.Stream, nursery: trio.Nursery) -> None:
        """Serve a connection with a task, for as long as it needs one."""
        self._context.statistics.connections += 1
        address = peer_address(stream)
        if self._proxy_protocol and self._context.proxies.trust(address):
            told = await self._read_client_address(stream, address)
            if told is None:
                await trio.aclose_forcefully(stream)
                return
            address = told
        who, vacancy = self._vacancy(address)
        if vacancy is _Vacancy.CLOSED:
            await trio.aclose_forcefully(stream)
            return
        if vacancy is _Vacancy.CLOSED_LATER:
            await self._hold(stream, who)
            return
        keep_alive(stream)
        if self._ssl_context is not None:
            # Clients end without saying so, as is usual with HTTP.
            stream = trio.SSLStream(
                stream, self._ssl_context, server_side=True, https_compatible=True
            )
        connection = self._connection(stream, address, who, nursery)
        connection.accepted.detach()
        if await self._is_ready(connection.accepted):
            if vacancy is _Vacancy.REFUSED:
                connection.decline(too_many_connections())
            await connection.run()

    def _vacancy(self, address: str) -> tuple[str, _Vacancy]:
        """Whose a connection from there is, and what place there is for it."""
        over_limit = self._context.statistics.over_limit
        # What a proxy may have is for itself to limit: here it is many.
        who = "" if self._context.proxies.trust(address) else client_network(address)
        refused = self._per_address.is_used_up(who)
        if refused:
            over_limit["connections_per_address"] += 1
        # An answer to those over the limit costs something too; there is a limit to that.
        if self._drain.has_begun or self._per_address.is_used_up(who, times=2):
            return who, _Vacancy.CLOSED
        if self._context.refusals.is_used_up(who, trio.current_time()):
            over_limit["requests_per_second"] += 1
            return who, _Vacancy.CLOSED_LATER
        return who, _Vacancy.REFUSED if refused else _Vacancy.FREE

    def _connection(
        self,
        stream: trio.abc.Stream | socket.socket,
        address: str,
        who: str,
        nursery: trio.Nursery,
    ) -> ServedConnection:
        statistics = self._context.statistics
        self._per_address.add(who)
        statistics.connections_open += 1
        accepted = Accepted(
            stream,
            number=statistics.connections,
            address=address,
            counted=who,
            on_closed=self._closed,
        )
        return ServedConnection(accepted, self._router.handle, self._context, self._drain, nursery)

    def hand_over(self) -> None:
        """The server ends: each connection that is still served has a task from now on."""
        for readable in self._context.reader.readables:
            if isinstance(readable, ServedConnection):
                readable.hand_over()

    async def _hold(self, stream: trio.abc.Stream, who: str) -> None:
        """Close a connection after a time: whoever is closed at once comes back at once."""
        self._per_address.add(who)
        try:
            await trio.sleep(HELD_SECONDS)
            await self._context.turns.wait(who, CLOSE_SECONDS)
        finally:
            self._per_address.remove(who)
            await trio.aclose_forcefully(stream)

    async def _read_client_address(self, stream: trio.abc.Stream, proxy: str) -> str | None:
        """The address that a proxy tells; None if it keeps to no protocol."""
        with trio.move_on_after(self._context.limits.handshake_seconds):
            try:
                return await read_client_address(stream) or proxy
            except (NoProxyHeader, trio.BrokenResourceError) as error:
                log = {"address": proxy, "why": str(error)}
                logger.info("a proxy does not tell its client by the PROXY protocol", extra=log)
                self._context.statistics.malformed += 1
                return None
        self._context.statistics.over_limit["handshake_seconds"] += 1
        return None

    def _closed(self, accepted: Accepted) -> None:
        self._per_address.remove(accepted.counted)
        self._context.statistics.connections_open -= 1

    async def _is_ready(self, accepted: Accepted) -> bool:
        """Wait for a turn, and for TLS. If there is no TLS the connection is closed."""
        is_ready = False
        with self._drain.shield():
            try:
                await self._context.turns.wait(accepted.counted)
                is_ready = await self._shake_hands(accepted.stream)
            finally:
                if not is_ready:
                    await accepted.aclose()
        return is_ready

    async def _shake_hands(self, stream: trio.abc.Stream) -> bool:
        if not isinstance(stream, trio.SSLStream):
            return True
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
