"""A client's connection with a PeerJS server, made again whenever it is lost."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from contextlib import suppress

import trio

from ..errors import NegotiationError, SignalingError, SignalingLost
from ..signaling.address import shown
from ..signaling.websocket import ClientWebSocket, WebSocketLost, open_websocket
from ..wire import peerjs as wire
from ..wire.peerjs import Envelope
from ..world import world
from .acceptance import Acceptance, ServerConnectionEnd, Standing
from .address import refused, unreachable
from .outgoing import About, Kept, Outgoing

logger = logging.getLogger("trio_rtc.peerjs")

ANSWER_SECONDS = 10.0
"""How long a server may take to accept a connection, and then to say that it is open."""

HEARTBEAT_SECONDS = 5.0
PONG_SECONDS = 10.0
"""How often we tell that we are there, as PeerJS does, and how long an answer may take."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

RETRY_SECONDS = 60.0
"""How long a connection that was lost is tried to be made again."""

SILENCE_SECONDS = 0.5
"""How long a server that may say no OPEN is listened to, until it is asked for a pong."""

REFUSAL_SECONDS = 2.0
"""How long a server that has refused may take to close: how it closes tells whether it is final."""

HEARTBEAT = wire.encode("HEARTBEAT").decode()

LARGEST_MESSAGE = 16 * 1024 * 1024
MAX_KEPT = 256
"""How many messages may not have arrived before more have to wait."""

PROVE_OVER = 64
"""With so many of them, a ping is sent before it is time for one."""


class ServerConnection:
    """Sends and receives for one peer, over any number of connections.

    Args:
        url: the server's, with ``ws`` or ``wss``, and all that a connection needs.
        hear: called with what other peers say, and what the server says of them.
    """

    def __init__(
        self, url: str, ssl_context: ssl.SSLContext | None, receive: Callable[[Envelope], None]
    ):
        self._url = url
        # Our server tells by it which of two connections is the later one; others pass it over.
        self._program, self._attempts = world().random_hex(8), 0
        self._ssl_context = ssl_context
        self._receive = receive
        self._outgoing = Outgoing()
        self._changed = trio.Event()
        self._heartbeat = False
        self._opened = False
        self._acceptance: Acceptance | None = None
        self.lost: SignalingLost | None = None

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def send(self, message: Kept) -> None:
        """Send a message, as soon as there is a connection; wait while many wait for one.

        What may not have arrived when a connection is lost is sent again on the next.

        Raises:
            SignalingLost: there will be none any more.
        """
        await trio.lowlevel.checkpoint()
        while len(self._outgoing) >= MAX_KEPT and self.lost is None:
            await self._changed.wait()
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
        while (self._outgoing.unsent or self._heartbeat) and self._is_up:
            await self._changed.wait()

    async def wait_lost(self) -> SignalingLost:
        """Wait until there will be no connection any more."""
        while self.lost is None:
            await self._changed.wait()
        return self.lost

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Connect, and again and again; `lost` tells why it came to an end.

        Raises:
            SignalingError: there never was a connection.
        """
        pause, deadline = FIRST_PAUSE, trio.current_time()
        while True:
            began = trio.current_time()
            over = await self._connect(task_status)
            if not self._opened:
                raise _not_opened(self._url, over)
            now = trio.current_time()
            lasted = now - began > LONGEST_PAUSE
            if self._acceptance is not None:
                standing = self._acceptance.standing
                if standing is Standing.ACCEPTED or (standing is Standing.PRESUMED and lasted):
                    deadline = now + RETRY_SECONDS
                    if lasted:
                        pause = FIRST_PAUSE
            self._acceptance = None
            if over.final or now >= deadline:
                self.lost = SignalingLost(
                    f"the connection with the PeerJS server is lost: {over.why}",
                    code=over.code if over.final else None,
                    fault="remote" if over.final else "network",
                )
                self._notify()
                return
            self._notify()
            # Clients that one server has lost must not all come back at once.
            wait = min(pause * world().uniform(0.5, 1), deadline - now)
            logger.info("connecting to the server again in %.1f s: %s", wait, over.why)
            await trio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    @property
    def _is_up(self) -> bool:
        return self._acceptance is not None and self._acceptance.is_up

    async def _connect(self, task_status: trio.TaskStatus[None]) -> ServerConnectionEnd:
        self._attempts += 1
        try:
            async with open_websocket(
                f"{self._url}&attempt={self._program}-{self._attempts}",
                subprotocols=[],
                timeout=ANSWER_SECONDS,
                max_message_bytes=LARGEST_MESSAGE,
                ssl_context=self._ssl_context,
            ) as websocket:
                return await self._serve(websocket, task_status)
        except WebSocketLost as lost:
            return self._not_connected(lost)

    def _not_connected(self, lost: WebSocketLost) -> ServerConnectionEnd:
        # Where a session has been, whatever answers now: it says nothing about the session.
        if lost.status is None or self._opened:
            return ServerConnectionEnd(str(lost))
        code = None if lost.answer is None else lost.answer.refusal
        if code == "server_unreachable":
            return ServerConnectionEnd(str(lost))
        ours = lost.answer is not None and lost.answer.is_ours
        return ServerConnectionEnd(str(lost), "refused" if code and ours else "not_peerjs_server")

    async def _serve(
        self, websocket: ClientWebSocket, task_status: trio.TaskStatus[None]
    ) -> ServerConnectionEnd:
        # A server that still knows the connection before this one may say no OPEN; ours does.
        silent = self._opened and not websocket.is_ours
        self._acceptance = acceptance = Acceptance(may_be_silent=silent)
        patience = trio.CancelScope(deadline=trio.current_time() + ANSWER_SECONDS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, websocket)
            nursery.start_soon(self._beat, websocket, acceptance, patience, nursery.cancel_scope)
            with patience:
                over = await self._read(websocket, acceptance, patience, task_status)
            if patience.cancelled_caught:
                over = acceptance.silent(ANSWER_SECONDS)
            nursery.cancel_scope.cancel()
            return over
        return ServerConnectionEnd(f"the server gave no sign of life for {PONG_SECONDS:.0f} s")

    async def _read(
        self,
        websocket: ClientWebSocket,
        acceptance: Acceptance,
        patience: trio.CancelScope,
        task_status: trio.TaskStatus[None],
    ) -> ServerConnectionEnd:
        while True:
            try:
                message = wire.decode(await websocket.receive())
            except WebSocketLost as lost:
                return acceptance.closed(lost.code, str(lost))
            except NegotiationError as error:
                if not self._opened:
                    return ServerConnectionEnd(str(error), "not_peerjs_server", final=True)
                logger.warning("the server says what is no message: %s", error)
                continue
            if remark := acceptance.receive(message):
                logger.warning("the server says: %s", remark)
            elif acceptance.standing is Standing.REFUSED:
                if message.type != "ERROR" or not self._opened:
                    return acceptance.silent(0)
                patience.deadline = trio.current_time() + REFUSAL_SECONDS
            else:
                if message.type != "OPEN":
                    self._receive(message)
                elif not self._opened:
                    self._opened = True
                    task_status.started()
                patience.deadline = float("inf")
                self._notify()

    async def _write(self, websocket: ClientWebSocket) -> None:
        # The reader finds out too that the connection has been closed.
        with suppress(WebSocketLost):
            while not self._is_up:
                await self._changed.wait()
            if self._outgoing.unproven:
                # With this the server has told what it kept for us, which may be an answer.
                await websocket.ping()
                self._outgoing.repeat()
            while True:
                while not (self._is_up and (self._outgoing.unsent or self._heartbeat)):
                    await self._changed.wait()
                if self._heartbeat:
                    await websocket.send(HEARTBEAT)
                    self._heartbeat = False
                else:
                    kept = self._outgoing.next()
                    await websocket.send(kept.message.decode())
                    self._outgoing.sent(kept)
                self._notify()

    async def _beat(
        self,
        websocket: ClientWebSocket,
        acceptance: Acceptance,
        patience: trio.CancelScope,
        connection: trio.CancelScope,
    ) -> None:
        with suppress(WebSocketLost):
            while True:
                await self._wait_for_beat(
                    SILENCE_SECONDS if acceptance.awaits_pong else HEARTBEAT_SECONDS
                )
                if acceptance.is_up:
                    self._heartbeat = True
                    self._notify()
                mark = self._outgoing.mark()
                with trio.move_on_after(PONG_SECONDS) as answer:
                    await websocket.ping()
                if answer.cancelled_caught:
                    connection.cancel()
                    return
                if acceptance.is_up:
                    self._outgoing.prove(mark)
                if acceptance.awaits_pong:
                    acceptance.pong()
                    patience.deadline = float("inf")
                self._notify()

    async def _wait_for_beat(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            while self._outgoing.unproven < PROVE_OVER:
                await self._changed.wait()


def _not_opened(url: str, over: ServerConnectionEnd) -> SignalingError:
    if over.code == "server_unreachable":
        return unreachable(url, over.why)
    if over.code == "not_peerjs_server":
        return SignalingError(f"{shown(url)} is no PeerJS server: {over.why}", code=over.code)
    return refused(url, over.why, over.code)
