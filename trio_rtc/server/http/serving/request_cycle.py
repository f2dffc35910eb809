"""Request cycle of a connection: what it does next, and what it has to wait for.

Requests are read and answered one after the other. Nothing here waits, but what handlers have to
wait for themselves.
"""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Awaitable
from contextlib import suppress

import trio

from ...context import Context
from ..accepted import RECEIVE_BYTES, Accepted
from ..connection import (
    CLOSE_SECONDS,
    HELD_SECONDS,
    Handler,
    HttpExchange,
    Serving,
    Told,
    no_memory,
    nobody,
)
from ..requests import Request, RequestError
from ..responses import CONTINUE, error_response
from ..shared_reader import read_at_once, write_at_once
from .request_parser import RequestParser


class Next(enum.Enum):
    """What a connection waits for."""

    RECEIVE = enum.auto()
    """More of a request, or the next one."""
    HOLD = enum.auto()
    """The answer to a request that is held, or that the client goes away."""
    WORK = enum.auto()
    """A handler."""
    SEND = enum.auto()
    """The client, which is to take an answer."""
    LINGER = enum.auto()
    """The client, which is to close first."""
    END = enum.auto()
    """Nothing."""


class RequestCycle(Serving):
    """Takes what a connection receives, and has each request answered before the next.

    It does what can be done without waiting, and tells what has to be waited for.
    """

    def __init__(self, accepted: Accepted, handler: Handler, context: Context):
        self.accepted = accepted
        self.context = context
        self.account = context.memory.open()
        self.client_network = accepted.counted
        self._handler = handler
        self._limits = context.limits
        self._parser = RequestParser(context.limits)
        self._kept = 0
        self._exchange: HttpExchange | None = None
        self._work: Awaitable[None] | None = None
        self._unsent = b""
        self._told: Told = nobody
        # The answer to an exchange that was held, before the client has been looked for.
        self._held: tuple[bytes, Told] | None = None
        self._limit = "request_seconds"
        self._deadline = trio.current_time() + self._limits.request_seconds
        self._is_receiving = False
        self._is_last = False
        self._has_ended = False
        self._taken_over = False
        self._is_handling = False

    @abstractmethod
    def _wake(self) -> None:
        """Somebody else has done something with it: it has to be looked again what comes next."""

    @abstractmethod
    async def send_out(self) -> None:
        """Send in time what is left.

        Raises:
            trio.BrokenResourceError: the client does not take it, or has gone.
        """

    def answer(self, data: bytes, told: Told, *, is_held: bool) -> None:
        """Send an answer, now or when its client has been looked for."""
        if is_held and self.accepted.descriptor < 0:
            self._held = data, told
        elif is_held and self._look_gone():
            self._has_ended = True
            told(False)
        else:
            self.say(data, told, always=False)
        self._wake()

    def abandon(self) -> None:
        """Close the connection, whatever is still to be sent on it."""
        self._has_ended = True
        self._wake()

    def count(self, error: RequestError) -> None:
        """Count the limit that somebody has gone over, if it is that."""
        if error.limit is not None:
            self.context.statistics.over_limit[error.limit] += 1

    def take_over(self) -> bytes:
        """End the service; give what was received and not parsed."""
        self._taken_over = True
        return self._parser.take_rest()

    def decline(self, error: RequestError) -> None:
        """Tell why there is no service, whatever the client asks for."""
        self.count(error)
        self._is_last = True
        answer = error_response(error)
        self.say(answer.encode(keep_alive=False, cors=self.context.origins.cors(None)))

    def _advance(self) -> Next:
        """Do all that can be done without waiting."""
        while True:
            if self._has_ended or self._taken_over:
                return Next.END
            if self._unsent:
                return Next.SEND
            if self._work is not None:
                return Next.WORK
            if (exchange := self._exchange) is not None:
                if not exchange.answered or self._held is not None:
                    return Next.END if exchange.on_gone is None else Next.HOLD
                self._finish(exchange)
            if self._is_last:
                return Next.LINGER
            try:
                request = self._next_request()
            except RequestError as error:
                if error.limit is None:
                    self.context.statistics.malformed += 1
                self.decline(error)
                continue
            if request is not None:
                self._begin(request)
            elif not self._unsent:
                return Next.RECEIVE

    def _begin(self, request: Request) -> None:
        context = self.context
        context.statistics.requests += 1
        exchange = self._exchange = HttpExchange(self, request)
        client_network = exchange.client_network
        if not context.requests.take(client_network, trio.current_time()):
            self._exchange = None
            self._refuse_request(client_network)
        elif client_network != self.accepted.counted and not context.turns.is_free:
            self._work = self._handle_in_turn(exchange)
        else:
            self._is_handling = True
            try:
                self._work = self._handler(exchange)
            finally:
                self._is_handling = False

    async def _handle_in_turn(self, exchange: HttpExchange) -> None:
        """It came through a proxy, whose time it is not."""
        await self.context.turns.wait(exchange.client_network)
        work = self._handler(exchange)
        if work is not None:
            await work

    def _finish(self, exchange: HttpExchange) -> None:
        """A request has been answered."""
        self._exchange = None
        self._release(self._parser.buffered)
        if not exchange.request.keep_alive or self.context.closing.is_set():
            self._is_last = True
        self._limit = "idle_seconds"
        self._deadline = trio.current_time() + self._limits.idle_seconds

    def _refuse_request(self, client_network: str) -> None:
        """Tell a client that it asks too often, if it has not been told that too often."""
        error = RequestError(
            429,
            "Too Many Requests",
            "There are too many requests from your address: "
            f"{self._limits.requests_per_second} may come in a second.",
            limit="requests_per_second",
        )
        if self.context.refusals.take(client_network, trio.current_time()):
            self.decline(error)
        else:
            self.count(error)
            self._work = self._keep_waiting(client_network)

    async def _keep_waiting(self, client_network: str) -> None:
        """Close a connection after a time: whoever is closed at once comes back at once."""
        with trio.move_on_after(HELD_SECONDS):
            await self.wait_gone()
        await self.context.turns.wait(client_network, CLOSE_SECONDS)
        self._has_ended = True

    def _next_request(self) -> Request | None:
        request = self._parser.next_request()
        if request is not None:
            self._is_receiving = False
            return request
        kept = self._parser.kept
        if not self.account.allows(kept - self._kept):
            raise no_memory()
        self._release(kept)
        if self._parser.in_request and not self._is_receiving:
            self._is_receiving = True
            self._deadline = trio.current_time() + self._limits.request_seconds
        if self._parser.wants_continue:
            self.say(CONTINUE)
        return None

    def _release(self, kept: int) -> None:
        if kept != self._kept:
            self.account.add(kept - self._kept)
            self._kept = kept

    def _receive(self, data: bytes) -> None:
        """Take in what has come; nothing is the end."""
        is_held = self._exchange is not None and not self._exchange.answered
        self._parser.feed(data)
        # Nobody is to be sent much behind a request that is held.
        if not data or (is_held and self._parser.buffered > self._limits.head_bytes):
            self._has_ended = True

    def _time_out(self) -> None:
        """The client has taken too long."""
        if self._is_receiving:
            why = "The request took too long to arrive."
            self.decline(RequestError(408, "Request Timeout", why, limit="request_seconds"))
            return
        if not self.context.closing.is_set():
            self.context.statistics.over_limit[self._limit] += 1
        self._has_ended = True

    def say(self, data: bytes, told: Told = nobody, *, always: bool = True) -> None:
        """Send what the kernel takes, and keep the rest: if there is place for it, or always."""
        sent = 0
        if (number := self.accepted.descriptor) >= 0:
            sent = write_at_once(number, data)
            if sent < 0:
                self._has_ended = True
                told(False)
                return
            if sent == len(data):
                told(True)
                return
        rest = data[sent:] if sent else data
        if always:
            self.account.add(len(rest))
        elif not self.account.take(len(rest)):
            told(False)
            if sent:
                self._has_ended = True
            else:
                self.decline(no_memory())
            return
        self._unsent, self._told = rest, told

    async def wait_gone(self) -> None:
        """Return when the client has closed. What it sends before is kept for later."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            # It is not much, and whoever looks whether somebody is gone does not wait for a turn.
            while self._parser.buffered <= self._limits.head_bytes:
                data = bytes(await self.accepted.stream.receive_some(RECEIVE_BYTES))
                if not data:
                    return
                self._parser.feed(data)

    def _look_gone(self) -> bool:
        """Whether the kernel knows by now that the client of a plain socket has closed."""
        while self._parser.buffered <= self._limits.head_bytes:
            data = read_at_once(self.accepted.descriptor, RECEIVE_BYTES)
            if data is None:
                return False
            if not data:
                return True
            self._parser.feed(data)
        return True
