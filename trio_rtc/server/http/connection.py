"""HTTP exchange: a request, and the way to answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

import trio

from ..context import Context
from .accepted import Accepted
from .addresses import client_network
from .requests import Request, RequestError
from .responses import Response, error_response

Told: TypeAlias = Callable[[bool], None]
"""Is called once with whether an answer has been taken by the kernel of this side as a whole."""


def nobody(_: bool) -> None:
    """Whoever does not want to be told."""


class Serving(Protocol):
    """The connection that a request has come on, as its exchange knows it."""

    accepted: Accepted
    context: Context

    def answer(self, data: bytes, told: Told, *, is_held: bool) -> None: ...
    def say(self, data: bytes) -> None: ...
    def count(self, error: RequestError) -> None: ...
    def abandon(self) -> None: ...
    async def send_out(self) -> None: ...
    async def wait_gone(self) -> None: ...
    def take_over(self) -> bytes: ...


class HttpExchange:
    """One request, and the way to answer it.

    Attributes:
        answered: whether it has been.
        on_gone: called if the client goes away before an answer that it is made to wait for; None
            if it is not made to wait.
    """

    __slots__ = ("_connection", "address", "answered", "on_gone", "request")

    def __init__(self, connection: Serving, request: Request):
        self.request = request
        self._connection = connection
        self.answered = False
        self.on_gone: Callable[[], None] | None = None
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

    def respond(self, response: Response, told: Told = nobody) -> None:
        """Answer, once: as soon as the client takes it.

        A client that was made to wait is looked for first: what comes for one that has just gone
        stays for its next request. HTTP acknowledges nothing.
        """
        context = self._connection.context
        answer = response.encode(
            keep_alive=self.request.keep_alive and not context.closing.is_set(),
            head_only=self.request.method == "HEAD",
            cors=context.origins.cors(self.request.headers.get("origin"), response.cors),
        )
        self.answered = True
        self._connection.answer(answer, told, is_held=self.on_gone is not None)

    def refuse(self, error: RequestError) -> None:
        """Answer with an error, and count it."""
        self._connection.count(error)
        self.respond(error_response(error))

    async def sent(self) -> None:
        """Wait until the client has taken the answer. Only a handler that is awaited may.

        Raises:
            trio.BrokenResourceError: the client has gone, or does not take it in time.
        """
        await self._connection.send_out()

    def hold(self, on_gone: Callable[[], None]) -> None:
        """Answer later: the connection waits, without a task if that is possible.

        A client that closes only its sending side counts as gone: from here it looks like one
        that has closed all, and an answer to that one would be lost.

        Args:
            on_gone: called if the client goes away first.
        """
        self.on_gone = on_gone

    def abandon(self) -> None:
        """Close the connection without an answer, or in the middle of it."""
        self._connection.abandon()

    async def take_over(self, answer: bytes) -> tuple[Accepted, bytes]:
        """Answer, and go on without HTTP: gives the connection, and what was received behind.

        Whoever takes it over has to close it.

        Raises:
            trio.BrokenResourceError: as `sent`.
        """
        self._connection.say(answer)
        await self._connection.send_out()
        return self._connection.accepted, self._connection.take_over()

    async def wait(self, scope: trio.CancelScope) -> bool:
        """Wait until this scope is cancelled; return False if the client goes away first.

        As with `hold`, one that closes only its sending side counts as gone.
        """
        with scope:
            await self._connection.wait_gone()
        return scope.cancelled_caught


Handler: TypeAlias = Callable[[HttpExchange], Awaitable[None] | None]
"""Answers at once, or holds the exchange; or gives what is to be awaited until it is answered.

Without an answer the connection is closed. What is awaited has a task, which costs ten times as
much as most answers.
"""


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
