"""One connection of the server: requests are read and answered, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

import trio

from .limits import ServerLimits
from .requests import Request, RequestError, RequestParser
from .responses import CONTINUE, Response, error_response

logger = logging.getLogger("trio_rtc.server")

RECEIVE_BYTES = 16 * 1024
LINGER_SECONDS = 2.0


class Exchange:
    """One request, and the way to answer it."""

    def __init__(self, connection: Connection, request: Request):
        self.request = request
        self._connection = connection
        self.answered = False

    async def respond(self, response: Response) -> None:
        """Answer, once. An error means that the client may not have the answer.

        Raises:
            trio.BrokenResourceError: the client has gone, or does not take it in time.
        """
        self.answered = True
        keep_alive = self.request.keep_alive and not self._connection.closing.is_set()
        await self._connection.send(
            response.encode(keep_alive=keep_alive, head_only=self.request.method == "HEAD")
        )

    async def wait(self, event: trio.Event) -> bool:
        """Wait for an event; return False if the client goes away first.

        A client that closes only its sending side counts as gone: from here it looks like one
        that has closed all, and an answer to that one would be lost (HTTP acknowledges nothing).
        """
        gone = False

        async def watch() -> None:
            nonlocal gone
            await self._connection.wait_gone()
            gone = True
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await event.wait()
            nursery.cancel_scope.cancel()
        return not gone

    async def is_gone(self) -> bool:
        """Whether the kernel knows by now that the client has closed.

        A last look before an answer that is not to be lost: what comes for a client that has
        just closed stays for its next request.
        """
        # Trio cancels at once what is entered too late. Set inside, the deadline is looked at
        # when this task first blocks: so there is one attempt to read.
        with trio.CancelScope() as scope:
            scope.deadline = trio.current_time()
            await self._connection.wait_gone()
        return not scope.cancelled_caught


Handler: TypeAlias = Callable[[Exchange], Awaitable[None]]


class Connection:
    """Reads requests off a stream and has them answered.

    Attributes:
        closing: set when the server drains; the answer under way is the last one then.
    """

    def __init__(
        self, stream: trio.abc.Stream, handler: Handler, limits: ServerLimits, closing: trio.Event
    ):
        self.closing = closing
        self._stream = stream
        self._handler = handler
        self._limits = limits
        self._parser = RequestParser(limits)

    async def run(self) -> None:
        """Serve the connection until either side has had enough of it."""
        async with self._stream:
            try:
                if await self._serve():
                    await self._linger()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                logger.debug("a client has gone")

    async def _serve(self) -> bool:
        """Answer requests; tell whether the last answer has to be waited for."""
        seconds = self._limits.request_seconds
        while True:
            try:
                request = await self._read_request(seconds)
            except RequestError as error:
                await self.send(error_response(error).encode(keep_alive=False))
                return True
            if request is None:
                return False
            exchange = Exchange(self, request)
            await self._handler(exchange)
            if not exchange.answered:
                return False
            if not request.keep_alive or self.closing.is_set():
                return True
            seconds = self._limits.idle_seconds

    async def _read_request(self, first_byte_seconds: float) -> Request | None:
        """The next request; None if the client has none."""
        if not self._parser.in_request:
            received = False
            with trio.move_on_after(first_byte_seconds):
                received = await self._receive_unless_closing()
            if not received:
                return None
        with trio.move_on_after(self._limits.request_seconds):
            while (request := self._parser.next_request()) is None:
                if self._parser.wants_continue:
                    await self.send(CONTINUE)
                if not await self._receive():
                    return None
            return request
        raise RequestError(408, "Request Timeout", "The request took too long to arrive.")

    async def _receive(self) -> bool:
        data = await self._stream.receive_some(RECEIVE_BYTES)
        self._parser.feed(bytes(data))
        return bool(data)

    async def _receive_unless_closing(self) -> bool:
        received = False

        async def stop_when_closing() -> None:
            await self.closing.wait()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_when_closing)
            # A nursery would wrap the error of a client that resets an idle connection.
            with suppress(trio.BrokenResourceError):
                received = await self._receive()
            nursery.cancel_scope.cancel()
        return received

    async def send(self, data: bytes) -> None:
        """Send all of it in time.

        Raises:
            trio.BrokenResourceError: the client does not take it.
        """
        with trio.move_on_after(self._limits.send_seconds) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            raise trio.BrokenResourceError("a client does not read its answer")

    async def wait_gone(self) -> None:
        """Return when the client has closed. What it sends before is kept for later."""
        try:
            while self._parser.buffered <= self._limits.head_bytes:
                if not await self._receive():
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def _linger(self) -> None:
        """Let the client close first: closing with data unread would destroy the answer."""
        with trio.move_on_after(LINGER_SECONDS):
            if isinstance(self._stream, trio.abc.HalfCloseableStream):
                await self._stream.send_eof()
            while await self._stream.receive_some(RECEIVE_BYTES):
                pass
