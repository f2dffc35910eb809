"""Accepting connections: who may have how many, TLS, and that each is closed."""

from __future__ import annotations

import logging
import ssl

import trio

from ..context import Context
from ..draining import Drain
from .accepted import Accepted
from .addresses import client_network, peer_address
from .connection import CLOSE_SECONDS, HELD_SECONDS, Connection, too_many_connections
from .listeners import keep_alive
from .proxy_protocol import NoProxyHeader, read_client_address
from .routes import Router

logger = logging.getLogger("trio_rtc.server")


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

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve a connection for as long as it needs a task."""
        address = peer_address(stream)
        statistics = self._context.statistics
        statistics.connections += 1
        number = statistics.connections
        if self._proxy_protocol and self._context.proxies.trust(address):
            told = await self._read_client_address(stream, address)
            if told is None:
                await trio.aclose_forcefully(stream)
                return
            address = told
        # What a proxy may have is for itself to limit: here it is many.
        who = "" if self._context.proxies.trust(address) else client_network(address)
        refused = self._per_address.is_used_up(who)
        if refused:
            statistics.over_limit["connections_per_address"] += 1
        # An answer to those over the limit costs something too; there is a limit to that.
        if self._drain.has_begun or self._per_address.is_used_up(who, times=2):
            await trio.aclose_forcefully(stream)
            return
        if self._context.refusals.is_used_up(who, trio.current_time()):
            statistics.over_limit["requests_per_second"] += 1
            await self._hold(stream, who)
            return
        keep_alive(stream)
        self._per_address.add(who)
        statistics.connections_open += 1
        if self._ssl_context is not None:
            # Clients end without saying so, as is usual with HTTP.
            stream = trio.SSLStream(
                stream, self._ssl_context, server_side=True, https_compatible=True
            )
        accepted = Accepted(
            stream, number=number, address=address, counted=who, on_closed=self._closed
        )
        with self._drain.shield():
            try:
                await self._serve(accepted, refused=refused)
            except Exception:
                # One connection never ends another, and a server never ends by a mistake.
                statistics.failures += 1
                log = {"connection": number, "address": address}
                logger.exception("a connection ended by an unexpected error", extra=log)

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

    async def _serve(self, accepted: Accepted, *, refused: bool) -> None:
        connection = Connection(accepted, self._router.handle, self._context)
        try:
            await self._context.turns.wait(accepted.counted)
            if not await self._shake_hands(accepted.stream):
                return
            if refused:
                await connection.refuse(too_many_connections())
            else:
                await connection.run()
        finally:
            if not connection.taken_over:
                await accepted.aclose()

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
