"""What a call does about a connection that is lost, or that is to look for a better way."""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from ..rtc import PeerConnection
from .negotiator import Negotiator

logger = logging.getLogger("trio_rtc.call")

TRY_EVERY = 3.0
"""Seconds until another restart, if the one before has neither failed nor helped."""


class Restorer:
    """Restarts ICE, as long as there is hope.

    Args:
        timeout: seconds until a connection that is lost is given up; 0 to do so at once.
        on_lost: is called then.
    """

    def __init__(
        self,
        connection: PeerConnection,
        negotiator: Negotiator,
        timeout: float,
        on_lost: Callable[[], None],
    ):
        self._connection = connection
        self._negotiator = negotiator
        self._timeout = timeout
        self._on_lost = on_lost
        self._changed = trio.Event()
        self._attempts = trio.CancelScope()

    def give_up(self) -> None:
        """Try no more, now or later: the other side cannot be asked."""
        self._timeout = 0
        self._attempts.cancel()

    def changed(self) -> None:
        """The state of the connection, or of its ICE, is another one."""
        self._changed.set()
        self._changed = trio.Event()

    @property
    def _is_connected(self) -> bool:
        return self._connection.connection_state == "connected"

    async def run(self) -> None:
        """The task that restores the connection whenever it is lost."""
        while True:
            while self._connection.connection_state not in ("disconnected", "failed"):
                await self._changed.wait()
            logger.info("nothing is heard any more; looking for another way")
            with trio.move_on_after(self._timeout) as self._attempts:
                while not self._is_connected:
                    await self._try_for(TRY_EVERY)
            if not self._is_connected:
                self._on_lost()
                return

    async def _try_for(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self.restart()
            while not self._is_connected:
                await self._changed.wait()

    async def restart(self) -> bool:
        """Look for another way between the two sides; tell whether there is one."""
        self._connection.restart_ice()
        if not await self._negotiator.renegotiate():
            return False
        while self._connection.ice_connection_state == "checking":
            await self._changed.wait()
        return self._connection.ice_connection_state == "completed"
