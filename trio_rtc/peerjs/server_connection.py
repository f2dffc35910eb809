"""A client's connection with a PeerJS server, made again whenever it is lost."""

from __future__ import annotations

import logging
import random
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import trio

from .. import peerjs_protocol as wire
from ..errors import NegotiationError, SignalingError, SignalingLost
from ..peerjs_protocol import Envelope
from ..signaling.websocket import ClientWebSocket, WebSocketLost, open_websocket

logger = logging.getLogger("trio_rtc.peerjs")

ANSWER_SECONDS = 10.0
"""How long a server may take to accept a connection, and then to say that it is open."""

HEARTBEAT_SECONDS = 5.0
PONG_SECONDS = 10.0
"""How often we tell that we are there, as PeerJS does, and how long an answer may take."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

RETRY_SECONDS = 60.0
"""How long a connection that was lost is tried to be made again."""

LARGEST_MESSAGE = 16 * 1024 * 1024
MAX_UNSENT = 256

#: What a server says instead of OPEN: what that is here, and in words.
REFUSALS = {
    "ID-TAKEN": ("id_taken", "the id is taken"),
    "INVALID-KEY": ("invalid_key", "the key is not the server's"),
    "ERROR": ("refused", "it refuses"),
}


@dataclass(frozen=True)
class Over:
    """Why a connection has ended, or why there was none.

    Attributes:
        final: whether another one would fare no better.
    """

    why: str
    code: str = "server_unreachable"
    final: bool = False


class ServerConnection:
    """Sends and receives for one peer, over any number of connections.

    Args:
        url: the server's, with ``ws`` or ``wss``, and all that a connection needs.
        hear: called with what other peers say, and what the server says of them.
    """

    def __init__(
        self, url: str, ssl_context: ssl.SSLContext | None, hear: Callable[[Envelope], None]
    ):
        self._url = url
        self._ssl_context = ssl_context
        self._hear = hear
        self._unsent: deque[bytes] = deque()
        self._changed = trio.Event()
        self._writing = False
        self._opened = False
        self._is_up = False
        self.lost: SignalingLost | None = None

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def send(self, message: bytes) -> None:
        """Send a message, as soon as there is a connection; wait while many wait for one.

        Raises:
            SignalingLost: there will be none any more.
        """
        await trio.lowlevel.checkpoint()
        while len(self._unsent) >= MAX_UNSENT and self.lost is None:
            await self._changed.wait()
        if self.lost is not None:
            raise self.lost
        self._unsent.append(message)
        self._tell()

    async def flush(self) -> None:
        """Wait until all has been sent, or there is nobody to send it to."""
        while (self._unsent or self._writing) and self._is_up:
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
            if self._is_up:
                deadline = now + RETRY_SECONDS
                if now - began > LONGEST_PAUSE:
                    pause = FIRST_PAUSE
            self._is_up = False
            if over.final or now >= deadline:
                self.lost = SignalingLost(
                    f"the connection with the PeerJS server is lost: {over.why}",
                    code=over.code if over.final else None,
                    fault="remote" if over.final else "network",
                )
                self._tell()
                return
            self._tell()
            # Clients that one server has lost must not all come back at once.
            wait = min(pause * random.uniform(0.5, 1), deadline - now)
            logger.info("connecting to the server again in %.1f s: %s", wait, over.why)
            await trio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _connect(self, task_status: trio.TaskStatus[None]) -> Over:
        try:
            async with open_websocket(
                self._url,
                subprotocols=[],
                timeout=ANSWER_SECONDS,
                max_message_bytes=LARGEST_MESSAGE,
                ssl_context=self._ssl_context,
            ) as websocket:
                return await self._serve(websocket, task_status)
        except WebSocketLost as lost:
            if lost.status is None:
                return Over(str(lost))
            return Over(str(lost), "not_peerjs_server", final=lost.status not in (429, 503))

    async def _serve(self, websocket: ClientWebSocket, task_status: trio.TaskStatus[None]) -> Over:
        async with trio.open_nursery() as nursery:
            if self._opened:
                # A server that still knows the connection before this one says no OPEN.
                self._is_up = True
            nursery.start_soon(self._write, websocket)
            nursery.start_soon(self._beat, websocket, nursery.cancel_scope)
            over = await self._read(websocket, task_status)
            nursery.cancel_scope.cancel()
            return over
        return Over(f"the server gave no sign of life for {PONG_SECONDS:.0f} s")

    async def _read(self, websocket: ClientWebSocket, task_status: trio.TaskStatus[None]) -> Over:
        with trio.move_on_after(ANSWER_SECONDS) as patience:
            while True:
                if self._is_up:
                    patience.deadline = float("inf")
                try:
                    message = wire.decode(await websocket.receive())
                except WebSocketLost as lost:
                    return Over(str(lost))
                except NegotiationError as error:
                    if not self._is_up:
                        return Over(str(error), "not_peerjs_server", final=True)
                    logger.warning("the server says what is no message: %s", error)
                    continue
                if message.type == "OPEN":
                    self._is_up = True
                    if not self._opened:
                        self._opened = True
                        task_status.started()
                    self._tell()
                elif refusal := REFUSALS.get(message.type):
                    code, words = refusal
                    said = _said(message) or words
                    if message.type != "ERROR" or not self._is_up:
                        return Over(said, code, final=True)
                    logger.warning("the server says: %s", said)
                else:
                    self._hear(message)
        return Over(f"the server said nothing for {ANSWER_SECONDS:.0f} s", "not_peerjs_server")

    async def _write(self, websocket: ClientWebSocket) -> None:
        # The reader finds out too that the connection has been closed.
        with suppress(WebSocketLost):
            while True:
                while not (self._unsent and self._is_up):
                    await self._changed.wait()
                message = self._unsent.popleft()
                self._writing = True
                try:
                    await websocket.send(message.decode())
                finally:
                    self._writing = False
                self._tell()

    async def _beat(self, websocket: ClientWebSocket, connection: trio.CancelScope) -> None:
        with suppress(WebSocketLost):
            while True:
                await trio.sleep(HEARTBEAT_SECONDS)
                if self._is_up:
                    self._unsent.append(wire.encode("HEARTBEAT"))
                    self._tell()
                with trio.move_on_after(PONG_SECONDS) as patience:
                    await websocket.ping()
                if patience.cancelled_caught:
                    connection.cancel()


def _said(message: Envelope) -> str:
    with suppress(NegotiationError):
        return wire.decode_payload(message, wire.Said).msg[:200]
    return ""


def _not_opened(url: str, over: Over) -> SignalingError:
    where = url.partition("?")[0]
    if over.code == "server_unreachable":
        return SignalingError(
            f"no PeerJS server answers at {where}: {over.why}", code=over.code, fault="network"
        )
    if over.code == "not_peerjs_server":
        return SignalingError(f"{where} is no PeerJS server: {over.why}", code=over.code)
    return SignalingError(f"the PeerJS server at {where} says: {over.why}", code=over.code)
