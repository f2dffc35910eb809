"""A client's connection with a PeerJS server, made again whenever it is lost."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import trio

from ..errors import NegotiationError, SignalingError, SignalingLost
from ..signaling import reconnecting
from ..signaling.address import Servers, all_failed, is_of_us, shown
from ..signaling.events import SessionState
from ..signaling.reconnecting import ConnectionEnd, ConnectionHandler, Reconnecting
from ..signaling.tokens import GiveToken, give
from ..signaling.websocket import ClientWebSocket, WebSocketLost
from ..tasks import Changes
from ..wire import peerjs as wire
from ..wire.close_codes import CloseCode
from ..wire.peerjs import Envelope
from ..world import world
from .acceptance import Acceptance, Standing
from .address import refused, unreachable
from .outgoing import About, Kept, Outgoing

logger = logging.getLogger("trio_rtc.peerjs")

HEARTBEAT_SECONDS = 5.0
PONG_SECONDS = 10.0
"""How often we tell that we are there, as PeerJS does, and how long an answer may take."""

RETRY_SECONDS = 60.0
"""How long a connection that was lost is tried to be made again."""

SILENCE_SECONDS = 0.5
"""How long a server that may say no OPEN is listened to, until it is asked for a pong."""

REFUSAL_SECONDS = 2.0
"""How long a server that has refused may take to close: how it closes tells whether it is final."""

HEARTBEAT = wire.encode("HEARTBEAT").decode()

MAX_KEPT = 256
"""How many messages may not have arrived before more have to wait."""

PROVE_OVER = 64
"""With so many of them, a ping is sent before it is time for one."""


class ServerConnection(ConnectionHandler):
    """Sends and receives for one peer, over any number of connections.

    Args:
        servers: those that there are.
        url: of a connection with one of them, ``ws`` or ``wss``: what it is with a token.
        token: shown with the first connection.
        fresh: gives another one for each connection that follows; otherwise it is the same.
        receive: called with what other peers say, and what the server says of them.

    Attributes:
        state: whether there is a connection.
        lost: why there will be none any more.
    """

    def __init__(
        self,
        servers: Servers,
        url: Callable[[str, str], str],
        token: str,
        fresh: GiveToken | None,
        ssl_context: ssl.SSLContext | None,
        receive: Callable[[Envelope], None],
    ):
        self._servers = servers
        self._url = url
        self._token = token
        self._fresh = fresh
        # Our server tells by it which of two connections is the later one; others pass it over.
        self._program, self._attempts = world().random_hex(8), 0
        self._receive = receive
        self._outgoing = Outgoing()
        self._connections = Reconnecting(self, ssl_context=ssl_context, logger=logger)
        self._changes = Changes()
        self._task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
        self._heartbeat = False
        self._opened = False
        # Whom the last connection was, or is, to be with.
        self._asked = servers.current
        self.state = SessionState()
        self._acceptance: Acceptance | None = None
        self.lost: SignalingLost | None = None

    def _notify(self) -> None:
        if self.lost is not None:
            self.state.set("lost")
        elif self._opened:
            self.state.set("connected" if self._is_up else "reconnecting")
        self._changes.notify()

    async def send(self, message: Kept) -> None:
        """Send a message, as soon as there is a connection; wait while many wait for one.

        What may not have arrived when a connection is lost is sent again on the next.

        Raises:
            SignalingLost: there will be none any more.
        """
        await trio.lowlevel.checkpoint()
        await self._changes.wait_until(
            lambda: len(self._outgoing) < MAX_KEPT or self.lost is not None
        )
        if self.lost is not None:
            raise self.lost
        self._outgoing.put(message)
        self._notify()

    def answered(self, about: About) -> None:
        """The other peer has said something about a connection."""
        self._outgoing.answered(about)

    def stands(self, about: About) -> None:
        """A connection stands: what was said about it has done its work."""
        self._outgoing.drop_sent(about)
        self._notify()

    def over(self, about: About) -> None:
        """A connection is over: what was said about it matters to nobody."""
        self._outgoing.drop(about)
        self._notify()

    async def flush(self) -> None:
        """Wait until all has been sent, or there is nobody to send it to."""
        await self._changes.wait_until(lambda: not (self._has_something and self._is_up))

    async def wait_lost(self) -> SignalingLost:
        """Wait until there will be no connection any more."""
        await self._changes.wait_until(lambda: self.lost is not None)
        assert self.lost is not None
        return self.lost

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Connect, and again and again; `lost` tells why it came to an end.

        Raises:
            SignalingError: there never was a connection.
        """
        self._task_status = task_status
        end = await self._open_first()
        self.lost = SignalingLost(
            f"the connection with the PeerJS server is lost: {end.why}",
            code=end.code if end.final else None,
            fault="remote" if end.final else "network",
        )
        self._notify()

    async def _open_first(self) -> ConnectionEnd:
        """Be connected with the first server that lets us in; why that came to an end.

        Raises:
            SignalingError: none does.
        """
        failures: list[tuple[str, SignalingError]] = []
        for _ in range(len(self._servers)):
            end = await self._connections.run()
            if self._opened:
                return end
            error = _not_opened(self._asked, end)
            if is_of_us(error):
                raise error
            failures.append((self._asked, error))
        raise all_failed(failures)

    @property
    def _has_something(self) -> bool:
        """Whether there is something to send."""
        return self._heartbeat or bool(self._outgoing.unsent)

    @property
    def _is_up(self) -> bool:
        return self._acceptance is not None and self._acceptance.is_up

    # What `Reconnecting` asks.

    @property
    def answer_seconds(self) -> float:
        return self._servers.patience or reconnecting.ANSWER_SECONDS

    @property
    def pong_seconds(self) -> float:
        return PONG_SECONDS

    async def url(self) -> str:
        if self._fresh is not None and self._opened:
            try:
                self._token = await give(self._fresh)
            except Exception as error:
                # It is asked again for the next connection.
                logger.exception("there is no fresh token")
                raise WebSocketLost("there is no fresh token") from error
        self._attempts += 1
        self._asked = self._servers.current
        return f"{self._url(self._asked, self._token)}&attempt={self._program}-{self._attempts}"

    def not_opened(self, lost: WebSocketLost) -> ConnectionEnd:
        # Where a session has been, whatever answers now: it says nothing about the session.
        if lost.status is None or self._opened:
            return ConnectionEnd(str(lost))
        code = None if lost.answer is None else lost.answer.refusal
        if code == "server_unreachable":
            return ConnectionEnd(str(lost))
        ours = lost.answer is not None and lost.answer.is_ours
        return ConnectionEnd(str(lost), "refused" if code and ours else "not_peerjs_server")

    def retry_seconds(self, *, lasted: bool) -> float | None:
        standing = None if self._acceptance is None else self._acceptance.standing
        accepted = standing is Standing.ACCEPTED or (standing is Standing.PRESUMED and lasted)
        return RETRY_SECONDS if accepted else None

    def ended(self, end: ConnectionEnd) -> None:
        if self._is_up:
            self._servers.let_in()
        else:
            # It has not let us in: perhaps another one does.
            self._servers.turn()
        self._acceptance = None
        self._notify()

    async def converse(self, websocket: ClientWebSocket) -> ConnectionEnd:
        # A server that still knows the connection before this one may say no OPEN; ours does.
        silent = self._opened and not websocket.is_ours
        self._acceptance = acceptance = Acceptance(may_be_silent=silent)
        self._patience = trio.CancelScope(deadline=trio.current_time() + self.answer_seconds)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, websocket)
            with self._patience:
                end = await self._read(websocket, acceptance)
            if self._patience.cancelled_caught:
                end = acceptance.silent(self.answer_seconds)
            nursery.cancel_scope.cancel()
        if end.final and end.code == "refused" and self._opened and not acceptance.is_up:
            # By this one, and another one may have place.
            return replace(end, final=self._servers.all_refuse())
        return end

    async def _read(self, websocket: ClientWebSocket, acceptance: Acceptance) -> ConnectionEnd:
        while True:
            try:
                message = wire.decode(await websocket.receive())
            except WebSocketLost as lost:
                return self._closed(acceptance, lost)
            except NegotiationError as error:
                if not self._opened:
                    return ConnectionEnd(str(error), "not_peerjs_server", final=True)
                logger.warning("the server says what is no message: %s", error)
                continue
            if remark := acceptance.receive(message):
                logger.warning("the server says: %s", remark)
            elif acceptance.standing is Standing.REFUSED:
                if message.type != "ERROR" or not self._opened:
                    return acceptance.silent(0)
                self._patience.deadline = trio.current_time() + REFUSAL_SECONDS
            else:
                if message.type != "OPEN":
                    self._receive(message)
                elif not self._opened:
                    self._opened = True
                    self._task_status.started()
                self._patience.deadline = float("inf")
                self._notify()

    def _closed(self, acceptance: Acceptance, lost: WebSocketLost) -> ConnectionEnd:
        end = acceptance.closed(lost.code, str(lost))
        if lost.code == CloseCode.GOING_AWAY and acceptance.is_up:
            self._servers.turn()
        has_expired = lost.code == CloseCode.NOT_AUTHORIZED and acceptance.is_up
        # There is another token, which may be good.
        return replace(end, final=False) if has_expired and self._fresh is not None else end

    async def _write(self, websocket: ClientWebSocket) -> None:
        # The reader finds out too that the connection has been closed.
        with suppress(WebSocketLost):
            await self._changes.wait_until(lambda: self._is_up)
            if self._outgoing.unproven:
                # With this the server has told what it kept for us, which may be an answer.
                await websocket.ping()
                if (given_up := self._outgoing.repeat()) is not None:
                    logger.warning(
                        "a message about %s is given up: each connection has ended by it",
                        given_up.about,
                    )
            while True:
                await self._changes.wait_until(lambda: self._is_up and self._has_something)
                if self._heartbeat:
                    await websocket.send(HEARTBEAT)
                    self._heartbeat = False
                else:
                    kept = self._outgoing.next()
                    await websocket.send(kept.message.decode())
                    self._outgoing.sent(kept)
                self._notify()

    async def until_ping(self) -> None:
        acceptance = self._acceptance
        waits = acceptance is not None and acceptance.awaits_pong
        with trio.move_on_after(SILENCE_SECONDS if waits else HEARTBEAT_SECONDS):
            await self._changes.wait_until(lambda: self._outgoing.unproven >= PROVE_OVER)

    def pinging(self) -> Callable[[], None]:
        acceptance = self._acceptance
        assert acceptance is not None
        if acceptance.is_up:
            self._heartbeat = True
            self._notify()
        return partial(self._answered, acceptance, self._outgoing.mark())

    def _answered(self, acceptance: Acceptance, mark: int) -> None:
        if acceptance.is_up:
            self._outgoing.prove(mark)
        if acceptance.awaits_pong:
            acceptance.pong()
            self._patience.deadline = float("inf")
        self._notify()


def _not_opened(url: str, end: ConnectionEnd) -> SignalingError:
    if end.code == "server_unreachable":
        return unreachable(url, end.why)
    if end.code == "not_peerjs_server":
        return SignalingError(f"{shown(url)} is no PeerJS server: {end.why}", code=end.code)
    return refused(url, end.why, end.code)
