"""Reconnecting: a WebSocket to a server is opened again whenever it is lost, with a back-off.

A `ConnectionHandler` says what there is to say; here is what all have in common: where to connect,
deadlines, signs of life, pauses, and what brings it to an end.
"""

from __future__ import annotations

import logging
import ssl
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

import trio

from ..tasks import open_background_nursery
from ..world import world
from .websocket import ClientWebSocket, WebSocketLost, open_websocket

ANSWER_SECONDS = 10.0
"""How long a server may take to accept a connection, and then to say that it is open."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Between two connections. One that has lasted for longer than the last was a good one."""

LARGEST_MESSAGE = 16 * 1024 * 1024
"""What a server sends may be longer in JSON than it was on its way there."""


@dataclass(frozen=True)
class ConnectionEnd:
    """Why a connection has ended, or why there was none.

    Attributes:
        why: in words, on one line.
        code: what this is for one that has never been accepted, and if it is final.
        final: whether another one would fare no better.
    """

    why: str
    code: str = "server_unreachable"
    final: bool = False


class Backoff:
    """How long to wait for the next connection, and for how long to try. No I/O.

    Args:
        now: the time.
        spread: gives a number between two others: clients that one server has lost must not all
            come back at once.
    """

    def __init__(self, now: float, spread: Callable[[float, float], float]):
        self._spread = spread
        self._pause = FIRST_PAUSE
        self._deadline = now

    def ended(self, now: float, retry_seconds: float | None, *, lasted: bool) -> None:
        """A connection has ended, or could not be opened.

        Args:
            now: the time.
            retry_seconds: for how long others are worth a try, as the server has accepted this
                one; None if it has not.
            lasted: whether it has been there for long.
        """
        if retry_seconds is None:
            return
        self._deadline = now + retry_seconds
        # What ends at once may do so again and again.
        if lasted:
            self._pause = FIRST_PAUSE

    def hurry(self) -> None:
        """What has kept connections from being opened may be over."""
        self._pause = FIRST_PAUSE

    def next_pause(self, now: float) -> float | None:
        """How long to wait before the next one; None if it is time to give up."""
        if now >= self._deadline:
            return None
        wait = min(self._pause * self._spread(0.5, 1), self._deadline - now)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return wait


class ConnectionHandler(Protocol):
    """What is said on one connection after the other.

    Attributes:
        answer_seconds: how long a server may take to accept a connection.
        pong_seconds: how long the server may take to answer a ping.
    """

    @property
    def answer_seconds(self) -> float:
        return ANSWER_SECONDS

    @property
    @abstractmethod
    def pong_seconds(self) -> float: ...

    @abstractmethod
    async def url(self) -> str:
        """Where the next connection goes: ``ws://…`` or ``wss://…``

        Raises:
            WebSocketLost: that is not known now.
        """

    @abstractmethod
    async def converse(self, websocket: ClientWebSocket) -> ConnectionEnd:
        """Say and hear what there is to say on a connection, until it has ended."""

    @abstractmethod
    def not_opened(self, lost: WebSocketLost) -> ConnectionEnd:
        """What it means that a connection could not be opened."""

    @abstractmethod
    def retry_seconds(self, *, lasted: bool) -> float | None:
        """For how long others are worth a try; None if the server has not accepted the last one.

        Args:
            lasted: whether that was there for long.
        """

    @abstractmethod
    def ended(self, end: ConnectionEnd) -> None:
        """The last connection has ended; another follows, or none."""

    @abstractmethod
    async def until_ping(self) -> None:
        """Wait until the server is to be asked for a sign of life."""

    def pinging(self) -> Callable[[], None]:
        """It is asked now; gives what is to be called with the answer."""
        return _nothing


def _nothing() -> None:
    pass


def _is_ours(address: str) -> bool:
    return ip_address(address).is_loopback or any(
        address == present for _, present in world().interfaces()
    )


class Reconnecting:
    """Connects to a server, again and again.

    Args:
        handler: says what there is to say.
        subprotocols: what the server may choose from.
        ssl_context: how to verify it; by default by the system's authorities.
        logger: told why there is another connection.
    """

    def __init__(
        self,
        handler: ConnectionHandler,
        *,
        subprotocols: Sequence[str] = (),
        ssl_context: ssl.SSLContext | None,
        logger: logging.Logger,
    ):
        self._handler = handler
        self._subprotocols = list(subprotocols)
        self._ssl_context = ssl_context
        self._logger = logger
        # What is going on now, and the address of ours that a connection has been opened from.
        self._attempt = trio.CancelScope()
        self._address: str | None = None
        # Where the last one that was opened went to.
        self._remote: str | None = None
        self._is_leaving = False

    async def run(self) -> ConnectionEnd:
        """Connect until there is no point in it any more; tells why.

        The first connection has to be accepted; another one has that much time from the end of
        the last that was.
        """
        backoff = Backoff(trio.current_time(), world().uniform)
        while True:
            async with open_background_nursery() as nursery:
                nursery.start_soon(self._follow_addresses)
                return await self._keep_connected(backoff)
            # It is left like this when it was cancelled, and shielded at the same moment: the
            # session has just been opened, and is to be left in an orderly way.

    def leave(self) -> None:
        """Let all there is to say be a goodbye from now on, for which no network is waited for."""
        self._is_leaving = True
        if self._has_no_way:
            # A connection is tried at once, as there may be a way to another address.
            self._attempt.cancel()

    @property
    def _has_no_way(self) -> bool:
        # A link-local address says nothing without its interface.
        return (
            self._remote is not None
            and not ip_address(self._remote).is_link_local
            and world().source_for(self._remote) is None
        )

    async def _keep_connected(self, backoff: Backoff) -> ConnectionEnd:
        while True:
            began = trio.current_time()
            end = ConnectionEnd("this machine has other addresses now")
            with trio.CancelScope() as self._attempt:
                end = await self._connect()
            self._address = None
            now = trio.current_time()
            lasted = now - began > LONGEST_PAUSE
            backoff.ended(now, self._handler.retry_seconds(lasted=lasted), lasted=lasted)
            self._handler.ended(end)
            if self._attempt.cancelled_caught:
                self._logger.info("connecting to the server again: %s", end.why)
                backoff.hurry()
                continue
            is_over = end.final or (self._is_leaving and self._has_no_way)
            pause = None if is_over else backoff.next_pause(now)
            if pause is None:
                return end
            self._logger.info("connecting to the server again in %.1f s: %s", pause, end.why)
            with trio.CancelScope() as self._attempt:
                await trio.sleep(pause)
            if self._attempt.cancelled_caught:
                backoff.hurry()

    async def _follow_addresses(self) -> None:
        """Connect at once where waiting has become pointless, as this machine has moved."""
        async with world().address_changes() as changed:
            while True:
                await changed()
                if self._address is None or not _is_ours(self._address):
                    self._attempt.cancel()

    async def _connect(self) -> ConnectionEnd:
        """Open a connection and serve it to its end."""
        try:
            async with open_websocket(
                await self._handler.url(),
                subprotocols=self._subprotocols,
                timeout=self._handler.answer_seconds,
                max_message_bytes=LARGEST_MESSAGE,
                ssl_context=self._ssl_context,
            ) as websocket:
                self._address = websocket.local_address
                self._remote = websocket.remote_address
                return await self._serve(websocket)
        except WebSocketLost as lost:
            return self._handler.not_opened(lost)

    async def _serve(self, websocket: ClientWebSocket) -> ConnectionEnd:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._see_whether_alive, websocket, nursery.cancel_scope)
            end = await self._handler.converse(websocket)
            nursery.cancel_scope.cancel()
            return end
        seconds = self._handler.pong_seconds
        return ConnectionEnd(f"the server gave no sign of life for {seconds:.0f} s")

    async def _see_whether_alive(
        self, websocket: ClientWebSocket, connection: trio.CancelScope
    ) -> None:
        # The reader finds out too that the connection has been closed, and why.
        with suppress(WebSocketLost):
            while True:
                await self._handler.until_ping()
                answered = self._handler.pinging()
                with trio.move_on_after(self._handler.pong_seconds) as patience:
                    await websocket.ping()
                if patience.cancelled_caught:
                    connection.cancel()
                    return
                answered()
