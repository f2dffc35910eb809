"""`serve_signaling`: listeners, one task per connection, and an orderly end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

import trio

from .classic import ClassicDialect
from .connection import Connection
from .hub import Hub
from .limits import ServerLimits
from .listeners import keep_alive, open_listeners

logger = logging.getLogger("trio_rtc.server")

ListenerT = TypeVar("ListenerT", bound=trio.abc.Listener[Any])

DRAIN_SECONDS = 2.0
EXPIRE_EVERY = 1.0


async def serve_signaling(
    port: int,
    *,
    host: str | bytes | None = None,
    limits: ServerLimits | None = None,
    drain_seconds: float = DRAIN_SECONDS,
    task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Run a signaling server until it is cancelled.

    Cancelled, it accepts nothing more, tells every peer that it shuts down, and lets answers
    under way arrive for up to ``drain_seconds``.

    Args:
        port: the TCP port; 0 takes a free one, the same for IPv4 and IPv6.
        host: the address to listen on; by default all.
        limits: what it puts up with.
        drain_seconds: how long the end may take.
        task_status: reports the listeners when the server is ready (`trio.Nursery.start`).

    Raises:
        OSError: it cannot listen there.
    """
    listeners = await open_listeners(port, host)
    await serve_signaling_listeners(
        listeners, limits=limits, drain_seconds=drain_seconds, task_status=task_status
    )


async def serve_signaling_listeners(
    listeners: Sequence[ListenerT],
    *,
    limits: ServerLimits | None = None,
    drain_seconds: float = DRAIN_SECONDS,
    task_status: trio.TaskStatus[list[ListenerT]] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """`serve_signaling` on listeners of your own, which it closes at its end."""
    server = _Server(limits or ServerLimits())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.expire_members)
        try:
            await trio.serve_listeners(
                server.serve_connection,
                list(listeners),
                handler_nursery=nursery,
                task_status=task_status,
            )
        finally:
            # The connections are shielded: from here on they have this long.
            server.drain(trio.current_time() + drain_seconds)
    raise AssertionError("it only ends by an exception")


class _Server:
    def __init__(self, limits: ServerLimits):
        self._limits = limits
        self._closing = trio.Event()
        self._hub = Hub(limits)
        self._dialect = ClassicDialect(self._hub, self._closing)
        self._connections: set[trio.CancelScope] = set()
        self._deadline: float | None = None

    async def serve_connection(self, stream: trio.abc.Stream) -> None:
        if self._deadline is not None:
            await trio.aclose_forcefully(stream)
            return
        keep_alive(stream)
        with trio.CancelScope(shield=True) as scope:
            self._connections.add(scope)
            try:
                await Connection(stream, self._dialect.handle, self._limits, self._closing).run()
            except Exception:
                # One connection never ends another, and a server never ends by a mistake.
                logger.exception("a connection ended by an unexpected error")
            finally:
                self._connections.remove(scope)

    async def expire_members(self) -> NoReturn:
        while True:
            await trio.sleep(EXPIRE_EVERY)
            self._hub.expire(trio.current_time())

    def drain(self, deadline: float) -> None:
        self._deadline = deadline
        self._closing.set()
        self._dialect.wake_all()
        for scope in self._connections:
            scope.deadline = deadline
