"""WebSocket dialects: what those that are spoken over it have in common."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import Generic, Protocol, TypeVar

from ..http.connection import HttpExchange
from ..hub.member_link import MemberLink
from ..websocket.frames import Receiver, WebSocket
from .dialect import Dialect
from .membership import DialectPeer
from .refusal import Refused

logger = logging.getLogger("trio_rtc.server")


class LinkedPeer(DialectPeer, Protocol):
    """A peer that has one connection at most.

    Attributes:
        link: that one; None if there is none now.
    """

    @property
    def link(self) -> MemberLink | None: ...


PeerT = TypeVar("PeerT", bound=LinkedPeer)


class WebSocketDialect(Dialect, Generic[PeerT]):
    """Takes what comes on a connection for as long as it is that of its peer."""

    async def open(self, websocket: WebSocket, exchange: HttpExchange) -> Receiver | None:
        """Begin with a connection; see `service.Opening`."""
        log = websocket.log
        try:
            peer = await self._admit(websocket, exchange)
        except Refused as refusal:
            logger.info("refused", extra=log | {"why": str(refusal)})
            self._refuse(websocket, refusal)
            return None
        if peer is None:
            return None
        log |= {"peer": peer.member.id, "room": peer.member.room}
        logger.info("connected", extra=log | {"peer_name": peer.member.name})
        return _DialectReceiver(self, peer, websocket)

    def receive(self, peer: PeerT, link: MemberLink, messages: list[str]) -> None:
        """Do what a client says, as long as its connection is the peer's."""
        for text in messages:
            if peer.link is not link or not link.is_open:
                return
            try:
                self._take(peer, text)
            except Refused as refusal:
                self._refuse(link, refusal)

    def detach(self, peer: PeerT, link: MemberLink) -> None:
        """A connection has ended."""
        if peer.link is link:
            self._disconnected(peer)

    @abstractmethod
    async def _admit(self, websocket: WebSocket, exchange: HttpExchange) -> PeerT | None:
        """Whose connection this is; None if it has ended before that was known.

        Raises:
            Refused: it is nobody's.
        """

    @abstractmethod
    def _refuse(self, link: MemberLink, refusal: Refused) -> None:
        """Tell why a connection has to end, and end it."""

    @abstractmethod
    def _take(self, peer: PeerT, text: str) -> None:
        """Do what a message says.

        Raises:
            Refused: with that its connection has to end.
        """

    @abstractmethod
    def _disconnected(self, peer: PeerT) -> None:
        """The connection of a peer has ended, and no other has taken its place."""


class _DialectReceiver(Generic[PeerT]):
    """What comes on a connection of a peer."""

    __slots__ = ("_dialect", "_peer", "_websocket")

    def __init__(self, dialect: WebSocketDialect[PeerT], peer: PeerT, websocket: WebSocket):
        self._dialect = dialect
        self._peer = peer
        self._websocket = websocket

    def receive(self, messages: list[str]) -> None:
        self._dialect.receive(self._peer, self._websocket, messages)

    def disconnected(self) -> None:
        logger.info("disconnected", extra=self._websocket.log)
        self._dialect.detach(self._peer, self._websocket)
