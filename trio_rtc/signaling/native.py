"""The native protocol, ``trio-rtc.v1``, as a client speaks it: over a WebSocket.

A session outlives its connections: one task keeps a connection, and makes another when it is
lost. What was sent meanwhile goes out then, and what came meanwhile comes in.
"""

from __future__ import annotations

import logging
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from ..errors import SignalingError, SignalingLost, UnknownPeer
from ..tasks import Changes, last_words, open_background_nursery
from ..text import one_line
from ..wire import native as protocol
from ..wire.close_codes import REASONS, CloseCode
from ..wire.native import SUBPROTOCOL
from .address import Servers, shown
from .client_session import ClientSession
from .event_queue import Delivery
from .events import Peer
from .native_connection import NativeConnectionHandler
from .reconnecting import ConnectionEnd, Reconnecting
from .signaling import Signaling
from .tokens import GiveToken, TokenRenewal, give

logger = logging.getLogger("trio_rtc.signaling")

LEAVE_SECONDS = 10.0
"""How long what was sent may take to arrive when the session is left."""


@asynccontextmanager
async def open_native_signaling(
    servers: Servers,
    *,
    name: str,
    room: str,
    token: str | GiveToken | None,
    ssl_context: ssl.SSLContext | None,
) -> AsyncIterator[Signaling]:
    """Open a session, keep it over any number of connections during the block, leave it."""
    first = await give(token) if callable(token) else token
    client = _NativeClient(servers, ssl_context, protocol.Hello(name=name, room=room, token=first))
    async with open_background_nursery() as nursery:
        if callable(token):
            client.renewal = TokenRenewal(token, client.show_token)
            nursery.start_soon(client.renewal.run)
        nursery.start_soon(client.run)
        try:
            yield await client.opened()
        finally:
            try:
                async with last_words(LEAVE_SECONDS):
                    await client.leave()
            finally:
                client.stop()


class _NativeClient:
    renewal: TokenRenewal | None = None

    def __init__(self, servers: Servers, ssl_context: ssl.SSLContext | None, hello: protocol.Hello):
        self._servers = servers
        # The first one: others are asked only by a session that has been opened.
        self._url = servers.current
        self._session = ClientSession(hello)
        self._changes = Changes()
        handler = NativeConnectionHandler(
            servers, self._session, self._receive, self._changes, self._disconnected
        )
        self._connections = Reconnecting(
            handler,
            subprotocols=[SUBPROTOCOL],
            ssl_context=ssl_context,
            logger=logger,
        )
        self._signaling: Signaling | None = None
        # By number: messages that are not acknowledged as they have no place yet.
        self._deliveries: OrderedDict[int, Delivery] = OrderedDict()
        self._opened = trio.Event()
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._leaving = False
        self._lost: SignalingLost | None = None

    async def send(self, to: int, data: bytes) -> int:
        await trio.lowlevel.checkpoint()
        await self._changes.wait_until(lambda: self._session.has_place or self._lost is not None)
        if self._lost is not None:
            raise self._lost
        assert self._signaling is not None
        # Presence comes in order with everything else: who is not among them is not there.
        if to not in self._signaling.peers and to != self._signaling.peer_id:
            raise UnknownPeer(f"no peer {to} is signed in")
        number = self._session.send(to, data)
        self._changes.notify()
        return number

    def show_token(self, token: str) -> None:
        """Have the session go on by another token."""
        self._session.show_token(token)
        self._changes.notify()

    async def leave(self) -> None:
        """Have all that was sent arrive, and end the session; at once where there is no way."""
        self._leaving = True
        self._session.leave()
        self._connections.leave()
        self._changes.notify()
        if self._signaling is not None:
            await self._ended.wait()

    def stop(self) -> None:
        """End now, whatever has not arrived."""
        self._scope.cancel()

    async def opened(self) -> Signaling:
        """Wait until the session is open."""
        await self._opened.wait()
        assert self._signaling is not None
        return self._signaling

    async def run(self) -> None:
        """Have the session opened, and connect again and again until it ends."""
        try:
            with self._scope:
                await self._keep_connected()
        finally:
            self._ended.set()

    async def _keep_connected(self) -> None:
        end = await self._connections.run()
        if self._signaling is None:
            raise self._not_opened(end)
        self._end(self._signaling, end)

    def _disconnected(self, end: ConnectionEnd) -> None:
        if self._signaling is not None and not end.final:
            self._signaling.reconnecting()

    def _not_opened(self, end: ConnectionEnd) -> SignalingError:
        if end.code == "server_unreachable":
            return SignalingError(
                f"no signaling server answers at {shown(self._url)}: {end.why}",
                code=end.code,
                fault="network",
            )
        if end.code == "not_signaling_server":
            return SignalingError(
                f"{shown(self._url)} is not a signaling server with {SUBPROTOCOL}: {end.why}",
                code=end.code,
            )
        return SignalingError(end.why, code=end.code)

    def _end(self, signaling: Signaling, end: ConnectionEnd) -> None:
        if self._leaving:
            gone = end.final and end.code == REASONS[CloseCode.SESSION_LOST]
            # A server that has heard us leave knows the session no more.
            left = end.code == REASONS[CloseCode.LEFT] or (gone and self._session.leave_written)
            if not left:
                logger.warning("the session was not left in an orderly way: %s", end.why)
            return
        self._lost = SignalingLost(
            f"the session with the signaling server is lost: {end.why}",
            code=end.code if end.final else REASONS[CloseCode.SESSION_LOST],
            fault="remote" if end.final else "network",
        )
        signaling.lost(self._lost)
        self._changes.notify()

    def _receive(self, message: protocol.FromServer) -> None:
        if self.renewal is not None and isinstance(
            message, protocol.Welcome | protocol.TokenAccepted
        ):
            self.renewal.good_for(message.token_seconds)
        if isinstance(message, protocol.Welcome):
            self._signaling = self._welcome(message)
            # From now on there is something to leave, even when we are cancelled.
            self._scope.shield = True
            self._opened.set()
        elif isinstance(message, protocol.Resumed) and self._signaling is not None:
            self._signaling.server = self._servers.current
            self._signaling.connected()
        elif self._signaling is not None:
            if isinstance(message, protocol.Message):
                self._deliver(self._signaling, message)
            else:
                _notify(self._signaling, message)
            self._refuse_what_is_overdue()

    def _deliver(self, signaling: Signaling, message: protocol.Message) -> None:
        seq = message.seq
        delivery = signaling.received(message.from_, message.body)
        if delivery is None:
            self._session.accept(seq)
            return
        self._deliveries[seq] = delivery

        def accept() -> None:
            del self._deliveries[seq]
            self._session.accept(seq)
            self._changes.notify()

        delivery.on_place = accept

    def _refuse_what_is_overdue(self) -> None:
        """Have one who does not look not hold up what is for the others."""
        refused = []
        while self._deliveries:
            seq = next(iter(self._deliveries))
            if not self._session.is_overdue(seq):
                break
            refused.append(seq)
            self._deliveries.pop(seq).refuse()
        self._session.refuse(refused)

    def _welcome(self, welcome: protocol.Welcome) -> Signaling:
        signaling = Signaling(welcome.id, welcome.name, self.send, welcome.room)
        signaling.ice_servers = welcome.ice_servers
        signaling.server = self._servers.current
        for peer in welcome.peers:
            signaling.joined(Peer(peer.id, peer.name, peer.protocol))
        return signaling


def _notify(signaling: Signaling, message: protocol.FromServer) -> None:
    match message:
        case protocol.Joined():
            signaling.joined(Peer(message.id, message.name, message.protocol))
        case protocol.Left():
            signaling.left(message.id)
        case protocol.IceServers():
            signaling.ice_servers = message.ice_servers
        case protocol.Failed(code="unknown_peer"):
            signaling.failed(
                message.to, UnknownPeer(one_line(message.message), fault="remote"), message.of
            )
        case protocol.Failed():
            error = SignalingError(one_line(message.message), code=message.code)
            signaling.failed(message.to, error, message.of)
