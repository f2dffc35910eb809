"""Losing what one side of a connection sends, all of it or some, and changing it on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from aiortc.rtp import is_rtcp

from trio_rtc.rtc import PeerConnection
from trio_rtc.rtc.backend.dtls.bursts import BurstSender


@contextmanager
def cut(*connections: PeerConnection) -> Iterator[None]:
    """Let nothing out of the sockets that these use now; those of a restart are others."""
    transports: list[Any] = [
        protocol.transport
        for connection in connections
        for path in connection._loop_connection.exchange.paths.all()
        for protocol in path._agent._protocols
    ]
    originals = [transport.sendto for transport in transports]
    for transport in transports:
        transport.sendto = lambda *_: None
    try:
        with one_by_one():
            yield
    finally:
        for transport, original in zip(transports, originals, strict=True):
            transport.sendto = original


@contextmanager
def one_by_one() -> Iterator[None]:
    """Have each datagram go by `sendto`, where a test may lose it, and none with others."""
    send_run: Any = BurstSender._send_run
    patched: Any = BurstSender
    patched._send_run = lambda *_: False
    try:
        yield
    finally:
        patched._send_run = send_run


def change_media(connection: PeerConnection, change: Callable[[bytes], Iterable[bytes]]) -> None:
    """Send something else instead of each RTP packet, or nothing; RTCP is left as it is.

    Once both descriptions are there, and before the two are connected.
    """
    transports: set[Any] = {
        sender.transport for sender in connection._loop_connection._pc.getSenders()
    }
    assert transports
    for transport in transports:
        transport._send_rtp = partial(_send_changed, transport._send_rtp, change)


async def _send_changed(
    send: Callable[[bytes], Awaitable[None]],
    change: Callable[[bytes], Iterable[bytes]],
    data: bytes,
) -> None:
    for changed in [data] if is_rtcp(data) else change(data):
        await send(changed)
