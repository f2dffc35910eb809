"""Losing everything that one side of a connection sends, as a network that is cut does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trio_rtc.rtc import PeerConnection


@contextmanager
def cut(*connections: PeerConnection) -> Iterator[None]:
    """Let nothing out of the sockets that these use now; those of a restart are others."""
    transports: list[Any] = [
        protocol.transport
        for connection in connections
        for path in connection._loop_connection.exchange.paths()
        for protocol in path._agent._protocols
    ]
    originals = [transport.sendto for transport in transports]
    for transport in transports:
        transport.sendto = lambda *_: None
    try:
        yield
    finally:
        for transport, original in zip(transports, originals, strict=True):
            transport.sendto = original
