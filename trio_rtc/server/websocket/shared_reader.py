"""Shared reader of many sockets, in one task.

A task that waits for its socket costs a server several microseconds of its CPU for each
message, and several kilobytes of its memory. Here the sockets are in an epoll of their own,
which one task waits for; whatever has come is read and heard without a turn of Trio between.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from types import TracebackType
from typing import Final

import trio

from ..http.accepted import RECEIVE_BYTES, descriptor
from ..hub.flush_batches import FlushBatch
from .frames import WebSocket

AVAILABLE: Final = hasattr(select, "epoll")

#: How often it is looked again for what has come meanwhile, before others get their turn.
_ROUNDS = 4
_SOCKETS = 64

#: How much is heard before that: a message costs the same time however short it is, and some
#: thousands fit in here. Of many sockets each is read less, so that none waits for the others.
TURN_BYTES: Final = 128 * 1024
_LEAST_BYTES: Final = TURN_BYTES // _SOCKETS


class SharedReader:
    """Reads for WebSockets on plain sockets, as far as the system lets one do it like that."""

    def __init__(self, flush_batch: FlushBatch) -> None:
        self._flush_batch = flush_batch
        self._open: dict[int, WebSocket] = {}
        self._epoll = select.epoll() if AVAILABLE else None

    def __enter__(self) -> SharedReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._epoll is not None:
            self._epoll.close()

    def add(self, websocket: WebSocket) -> bool:
        """Read for a connection from now on; False if that cannot be done."""
        number = descriptor(websocket.accepted.stream)
        if self._epoll is None or number < 0:
            return False
        self._epoll.register(number, select.EPOLLIN)
        self._open[number] = websocket
        return True

    def remove(self, websocket: WebSocket) -> None:
        """Leave the reading to others."""
        number = descriptor(websocket.accepted.stream)
        assert self._epoll is not None
        del self._open[number]
        self._epoll.unregister(number)

    async def run(self, receive: Callable[[WebSocket, bytes], None]) -> None:
        """Read until cancelled.

        Args:
            receive: called with what has come; nothing is the end. It may remove any connection,
                but must not close it.
        """
        if self._epoll is None:
            return
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            left = TURN_BYTES
            for _ in range(_ROUNDS):
                ready = self._epoll.poll(0, _SOCKETS)
                if not ready:
                    break
                share = min(max(left // len(ready), _LEAST_BYTES), RECEIVE_BYTES)
                with self._flush_batch:
                    for number, _ in ready:
                        # What another one has said may just have removed it.
                        if (websocket := self._open.get(number)) is not None:
                            data = _read(number, share)
                            if data is not None:
                                left -= len(data)
                                receive(websocket, data)
                if left <= 0:
                    break


def _read(number: int, size: int) -> bytes | None:
    try:
        return os.read(number, size)
    except BlockingIOError:
        return None
    except OSError:
        return b""
