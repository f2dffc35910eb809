"""What a call does about a connection that is lost, or that is to look for a better way."""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from ..rtc import PeerConnection
from ..tasks import Changes
from .lifecycle import CallState, Lifecycle
from .negotiator import Negotiator

logger = logging.getLogger("trio_rtc.call")

TRY_EVERY = 3.0
"""Seconds until another restart, if the one before has neither failed nor helped."""


class IceRestarter:
    """Restarts ICE, as long as there is hope.

    Args:
        changes: tells when the call, or ICE, is in another state.
        timeout: seconds until a connection that is lost is given up; 0 to do so at once.
        on_lost: is called then.
    """

    def __init__(
        self,
        connection: PeerConnection,
        negotiator: Negotiator,
        life: Lifecycle,
        changes: Changes,
        timeout: float,
        on_lost: Callable[[], None],
    ):
        self._connection = connection
        self._negotiator = negotiator
        self._life = life
        self._changes = changes
        self._timeout = timeout
        self._on_lost = on_lost

    def _is_restoring(self) -> bool:
        return self._life.state is CallState.RESTORING

    async def run(self) -> None:
        """The task that restores the connection whenever it is lost."""
        while True:
            await self._changes.wait_until(self._is_restoring)
            logger.info("nothing is heard any more; looking for another way")
            with trio.move_on_after(self._timeout):
                while self._is_restoring():
                    await self._try_for(TRY_EVERY)
            if self._is_restoring():
                self._on_lost()
                return

    async def _try_for(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self.restart()
            await self._changes.wait_until(lambda: not self._is_restoring())

    async def restart(self) -> bool:
        """Look for another way between the two sides; tell whether there is one."""
        self._connection.restart_ice()
        if not await self._negotiator.renegotiate():
            return False
        await self._changes.wait_until(lambda: self._connection.ice_connection_state != "checking")
        return self._connection.ice_connection_state == "completed"
