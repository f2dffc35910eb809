"""What is on its way over real sockets with a delay and losses: counted in bytes, not in seconds.

A window that gives way to each loss has room for 1.22 packets over the root of the loss rate,
whatever the path holds (Mathis and others, 1997); a busy machine only makes it last longer.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import pytest
import trio

from trio_rtc.rtc import PeerConnection

from ...pairs import open_channels, transport

DELAY = 0.02
PART = 32 * 1024
COUNT = 90
PACKET = 1412


@contextmanager
def long_way(loss: float, *connections: PeerConnection) -> Iterator[None]:
    """What these send arrives after a while, if it does."""
    chance = random.Random(1)
    sockets: list[Any] = [
        protocol.transport
        for connection in connections
        for path in connection._loop_connection.exchange.paths.all()
        for protocol in path._agent._protocols
    ]
    originals = [sock.sendto for sock in sockets]

    def worsen(sock: Any, send: Callable[..., None]) -> Callable[..., None]:
        def arrive(*packet: Any) -> None:
            if not sock.is_closing():
                send(*packet)

        def sendto(*packet: Any) -> None:
            if chance.random() >= loss:
                asyncio.get_running_loop().call_later(DELAY, arrive, *packet)

        return sendto

    for sock, original in zip(sockets, originals, strict=True):
        sock.sendto = worsen(sock, original)
    try:
        yield
    finally:
        for sock, original in zip(sockets, originals, strict=True):
            sock.sendto = original


@pytest.mark.parametrize("loss", [0.01, 0.03])
async def test_losses_do_not_close_the_window(loss: float) -> None:
    windows: list[int] = []
    async with open_channels(strangers=True) as (ours, theirs, alice, bob):
        with long_way(loss, alice.connection, bob.connection):
            async with trio.open_nursery() as nursery:

                async def pour() -> None:
                    for number in range(COUNT):
                        await ours.send(bytes([number]) * PART)

                nursery.start_soon(pour)
                for number in range(COUNT):
                    assert await theirs.receive() == bytes([number]) * PART
                    windows.append(transport(alice)._sender.window)
    # At first it grows, and the last may wait for nothing but themselves.
    usual = median(windows[COUNT // 3 :])
    assert usual > 6 * 1.22 * PACKET / math.sqrt(loss)
