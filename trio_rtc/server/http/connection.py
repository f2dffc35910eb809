"""One connection of the server: requests are read and answered, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import trio

from ..context import Context
from .accepted import RECEIVE_BYTES, Accepted
from .addresses import client_network
from .requests import Request, RequestError, RequestParser
from .responses import CONTINUE, Response, error_response

logger = logging.getLogger("trio_rtc.server")


class HttpExchange:
    """One request, and the way to answer it."""

    def __init__(self, connection: Connection, request: Request):
        self.request = request
        self._connection = connection
        self.answered = False
        #: The IP address of the client; empty if there is none.
        self.address = connection.context.proxies.client(
            connection.accepted.address, request.all_headers
        )

    @property
    def number(self) -> int:
        """The number of the connection, by which the log tells it from others."""
        return self._connection.accepted.number

    @property
    def client_network(self) -> str:
        """Who is at that address; see `addresses.client_network`."""
        return client_network(self.address)

    def claim(self) -> bool:
        """Count the connection as one of this client; False if it has as many as it may."""
        accepted, context = self._connection.accepted, self._connection.context
        connections = context.connections
        if accepted.counted != self.client_network:
            if connections.is_used_up(self.client_network):
                context.statistics.over_limit["connections_per_address"] += 1
                return False
            connections.add(self.client_network)
            connections.remove(accepted.counted)
            accepted.counted = self.client_network
        accepted.address = self.address
        return True

    async def respond(self, response: Response) -> None:
        """Answer, once. An error means that the client may not have the answer.

        Raises:
            trio.BrokenResourceError: the client has gone, or does not take it in time.
        """
        self.answered = True
        context = self._connection.context
        answer = response.encode(
            keep_alive=self.request.keep_alive and not context.closing.is_set(),
            head_only=self.request.method == "HEAD",
            cors=context.origins.cors(self.request.headers.get("origin"), response.cors),
        )
        if not self._connection.account.take(len(answer)):
            await self._connection.refuse(no_memory())
            raise trio.BrokenResourceError("there is no place for an answer")
        try:
            await self._connection.send(answer)
        finally:
            self._connection.account.add(-len(answer))

    async def refuse(self, error: RequestError) -> None:
        """Answer with an error, and count it.

        Raises:
            trio.BrokenResourceError: as `respond`.
        """
        self._connection.count(error)
        await self.respond(error_response(error))

    async def take_over(self, answer: bytes) -> tuple[Accepted, bytes]:
        """Answer, and go on without HTTP: gives the connection, and what was received behind.

        Whoever takes it over has to close it.

        Raises:
            trio.BrokenResourceError: as `respond`.
        """
        await self._connection.send(answer)
        return self._connection.accepted, self._connection.take_over()

    async def wait(self, scope: trio.CancelScope) -> bool:
        """Wait until this scope is cancelled; return False if the client goes away first.

        A client that closes only its sending side counts as gone: from here it looks like one
        that has closed all, and an answer to that one would be lost (HTTP acknowledges nothing).
        """
        with scope:
            await self._connection.wait_gone()
        return scope.cancelled_caught

    async def is_gone(self) -> bool:
        """Whether the kernel knows by now that the client has closed.

        A last look before an answer that is not to be lost: what comes for a client that has
        just closed stays for its next request.
        """
        if isinstance(self._connection.accepted.stream, trio.SSLStream):
            return await self._is_gone_with_tls()
        # Trio cancels at once what is entered too late. Set inside, the deadline is looked at
        # when this task first blocks: so there is one attempt to read.
        with trio.CancelScope() as scope:
            scope.deadline = trio.current_time()
            await self._connection.wait_gone()
        return not scope.cancelled_caught

    async def _is_gone_with_tls(self) -> bool:
        is_gone = False

        async def look() -> None:
            nonlocal is_gone
            await self._connection.wait_gone()
            is_gone = True

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            # A TLS stream blocks for its lock before it reads, and after each record.
            for _ in range(6):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        return is_gone


def no_memory() -> RequestError:
    return RequestError(
        503,
        "Service Unavailable",
        "Too much waits here already: try again later.",
        limit="memory_bytes",
    )


def too_many_connections() -> RequestError:
    """What an address is told that has as many connections as it may."""
    return RequestError(
        429,
        "Too Many Requests",
        "There are too many connections from your address.",
    )


HELD_SECONDS: Final = 2.0
"""For how long those are kept waiting who are not answered any more."""

CLOSE_SECONDS: Final = 0.00005
"""What it takes then to close a connection: they may be many who came at once."""

Handler: TypeAlias = Callable[[HttpExchange], Awaitable[None]]


class Connection:
    """Reads requests off a connection and has them answered."""

    def __init__(self, accepted: Accepted, handler: Handler, context: Context):
        self.accepted = accepted
        self.context = context
        self._handler = handler
        self._limits = context.limits
        self._parser = RequestParser(context.limits)
        self._taken_over = False
        self.account = context.memory.open()
        self._kept = 0

    async def run(self) -> None:
        """Serve the connection until either side has had enough of it."""
        try:
            if await self._serve():
                await self.accepted.linger(self.context.reader)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            logger.debug("a client has gone")
        finally:
            self.account.close()

    async def refuse(self, error: RequestError) -> None:
        """Tell why there is no service, whatever the client asks for."""
        try:
            await self._refuse(error)
            await self.accepted.linger(self.context.reader)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            logger.debug("a client has gone")

    async def _refuse(self, error: RequestError) -> None:
        self.count(error)
        answer = error_response(error)
        await self.send(answer.encode(keep_alive=False, cors=self.context.origins.cors(None)))

    def count(self, error: RequestError) -> None:
        """Count the limit that somebody has gone over, if it is that."""
        if error.limit is not None:
            self.context.statistics.over_limit[error.limit] += 1

    @property
    def taken_over(self) -> bool:
        """Whether somebody else has to close it."""
        return self._taken_over

    def take_over(self) -> bytes:
        """End the service; give what was received and not parsed."""
        self._taken_over = True
        self.accepted.detach()
        return self._parser.take_rest()

    async def _serve(self) -> bool:
        """Answer requests; tell whether the last answer has to be waited for."""
        limit = "request_seconds"
        while True:
            try:
                request = await self._read_request(limit)
            except RequestError as error:
                if error.limit is None:
                    self.context.statistics.malformed += 1
                await self._refuse(error)
                return True
            if request is None:
                return False
            self.context.statistics.requests += 1
            exchange = HttpExchange(self, request)
            if not self.context.requests.take(exchange.client_network, trio.current_time()):
                return await self._refuse_request(exchange)
            if exchange.client_network != self.accepted.counted:
                # It came through a proxy, whose time it is not.
                await self.context.turns.wait(exchange.client_network)
            await self._handler(exchange)
            self._release(self._parser.buffered)
            if not exchange.answered or self._taken_over:
                return False
            if not request.keep_alive or self.context.closing.is_set():
                return True
            limit = "idle_seconds"

    async def _refuse_request(self, exchange: HttpExchange) -> bool:
        """Tell a client that it asks too often, if it has not been told that too often."""
        error = RequestError(
            429,
            "Too Many Requests",
            "There are too many requests from your address: "
            f"{self._limits.requests_per_second} may come in a second.",
            limit="requests_per_second",
        )
        if self.context.refusals.take(exchange.client_network, trio.current_time()):
            await self._refuse(error)
            return True
        self.count(error)
        # Whoever is closed at once comes back at once.
        with trio.move_on_after(HELD_SECONDS):
            await self.wait_gone()
        await self.context.turns.wait(exchange.client_network, CLOSE_SECONDS)
        return False

    async def _read_request(self, until_first_byte: str) -> Request | None:
        """The next request; None if the client has none, or does not begin within this limit."""
        if not self._parser.in_request and not await self._receive_first(until_first_byte):
            return None
        with trio.move_on_after(self._limits.request_seconds):
            while (request := self._parser.next_request()) is None:
                self._count_kept(self._parser.kept)
                if self._parser.wants_continue:
                    await self.send(CONTINUE)
                if not await self._receive():
                    return None
            return request
        raise RequestError(
            408, "Request Timeout", "The request took too long to arrive.", limit="request_seconds"
        )

    def _count_kept(self, kept: int) -> None:
        """Look whether there is place for what has come of a request.

        Raises:
            RequestError: there is not.
        """
        if not self.account.allows(kept - self._kept):
            raise no_memory()
        self._release(kept)

    def _release(self, kept: int) -> None:
        self.account.add(kept - self._kept)
        self._kept = kept

    async def _receive(self) -> bool:
        data = await self.accepted.receive(self.context.reader)
        self._parser.feed(data)
        return bool(data)

    async def _receive_first(self, limit: str) -> bool:
        """Wait for a request to begin; return False if it does not, or the server ends."""
        closing = self.context.closing
        with trio.move_on_after(getattr(self._limits, limit)) as scope:
            closing.begin_idle(scope)
            try:
                return await self._receive()
            finally:
                closing.end_idle(scope)
        if not closing.is_set():
            self.context.statistics.over_limit[limit] += 1
        return False

    async def send(self, data: bytes) -> None:
        """Send all of it in time.

        Raises:
            trio.BrokenResourceError: the client does not take it.
        """
        with trio.move_on_after(self._limits.send_seconds) as scope:
            await self.accepted.stream.send_all(data)
        if scope.cancelled_caught:
            self.context.statistics.over_limit["send_seconds"] += 1
            raise trio.BrokenResourceError("a client does not read its answer")

    async def wait_gone(self) -> None:
        """Return when the client has closed. What it sends before is kept for later."""
        try:
            # It is not much, and whoever looks whether somebody is gone does not wait for a turn.
            while self._parser.buffered <= self._limits.head_bytes:
                data = bytes(await self.accepted.stream.receive_some(RECEIVE_BYTES))
                if not data:
                    return
                self._parser.feed(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
