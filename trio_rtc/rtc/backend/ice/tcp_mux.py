"""TCP mux: one port to which the other sides of many ICE agents connect (RFC 6544).

The first packet of a connection is a binding request, whose USERNAME says which agent it is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final, Protocol

from .ice_tcp import CONNECT_SECONDS, FramedTransport, PassiveCandidate
from .stun_reading import is_request, username

MOST_UNKNOWN: Final = 64
"""Connections at a time that have not said whom they are for."""

MOST_FIRST: Final = 1280
"""Bytes of a first packet; a binding request has a tenth of it."""


class SharingAgent(Protocol):
    """An agent that takes connections.

    Attributes:
        context: what the agent starts when something comes belongs to this.
        passive: its candidate; None: there is none.
    """

    context: Context
    passive: PassiveCandidate | None


class TcpMux:
    """One listening socket.

    Args:
        find: gives the agent of a username fragment.
    """

    def __init__(self, find: Callable[[str], SharingAgent | None]):
        self._find = find
        self._server: asyncio.Server | None = None
        self._unknown: set[_Arrival] = set()

    async def open(self, address: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: another program has the port.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Arrival(self), address, port)

    def close(self) -> None:
        """Listen no more. Connections that belong to agents are theirs to close."""
        if self._server is not None:
            self._server.close()
        for arrival in list(self._unknown):
            arrival.transport.abort()

    def arrived(self, arrival: _Arrival) -> bool:
        """Let a connection say whom it is for, unless there are too many that have not."""
        if len(self._unknown) >= MOST_UNKNOWN:
            return False
        self._unknown.add(arrival)
        return True

    def left(self, arrival: _Arrival) -> None:
        """It has said so, or is closed."""
        self._unknown.discard(arrival)

    def is_unknown(self, arrival: _Arrival) -> bool:
        """Whether it has not."""
        return arrival in self._unknown

    def receiver(self, packet: bytes) -> SharingAgent | None:
        """The agent that a first packet is for."""
        return self._find(username(packet).partition(":")[0]) if is_request(packet) else None


class _Arrival(asyncio.Protocol):
    transport: Any

    def __init__(self, mux: TcpMux):
        self._mux = mux
        self._received = bytearray()
        self._context: Context | None = None
        self._connection: FramedTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self._mux.arrived(self):
            asyncio.get_running_loop().call_later(CONNECT_SECONDS, self._look)
        else:
            transport.abort()

    def _look(self) -> None:
        if self._mux.is_unknown(self):
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._context is not None and self._connection is not None:
            self._context.run(self._connection.data_received, data)
            return
        self._received += data
        length = int.from_bytes(self._received[:2])
        if length > MOST_FIRST:
            self.transport.abort()
        elif 2 <= len(self._received) >= 2 + length:
            self._give(self._mux.receiver(bytes(self._received[2 : 2 + length])))

    def _give(self, receiver: SharingAgent | None) -> None:
        self._mux.left(self)
        passive = None if receiver is None else receiver.passive
        if receiver is None or passive is None or (connection := passive.accept()) is None:
            self.transport.abort()
            return
        self._context, self._connection = receiver.context, connection
        self._context.run(connection.connection_made, self.transport)
        self._context.run(connection.data_received, bytes(self._received))
        self._received.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self._mux.left(self)
        if self._context is not None and self._connection is not None:
            self._context.run(self._connection.connection_lost, exc)
