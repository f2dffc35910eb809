"""ICE restarts of a call: a connection is lost, or is to look for a better way."""

from __future__ import annotations

import logging

import trio

from ..tasks import open_background_nursery
from .call_session import CallSession
from .lifecycle import CallEvent, CallState

logger = logging.getLogger("trio_rtc.call")

TRY_EVERY = 3.0
"""Seconds until another restart, if the one before has neither failed nor helped."""


class IceRestarter:
    """Restarts ICE, as long as there is hope.

    Args:
        timeout: seconds until a connection that is lost is given up; 0 to do so at once.
    """

    def __init__(self, session: CallSession, timeout: float):
        self._session = session
        self._timeout = timeout

    def _is_restoring(self) -> bool:
        return self._session.life.state is CallState.RESTORING

    async def run(self) -> None:
        """The task that restores the connection whenever it is lost."""
        async with open_background_nursery() as nursery:
            nursery.start_soon(self._follow_network)
            await self._restore()

    async def _restore(self) -> None:
        while True:
            await self._session.changes.wait_until(self._is_restoring)
            logger.info("nothing is heard any more; looking for another way")
            with trio.move_on_after(self._timeout):
                while self._is_restoring():
                    await self._try_for(TRY_EVERY)
            if self._is_restoring():
                self._session.step(CallEvent.CONNECTION_LOST)
                return

    async def _follow_network(self) -> None:
        """Take a better way to the other side when this machine gets one."""
        while True:
            await self._network_change()
            if self._session.life.state is CallState.CONNECTED:
                logger.info("this machine has another address; looking for a better way")
                await self.restart()

    async def _network_change(self) -> None:
        session = self._session
        seen = session.network_changes
        await session.changes.wait_until(lambda: session.network_changes != seen)

    async def _try_for(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            async with open_background_nursery() as nursery:
                nursery.start_soon(self._try_until_found, nursery.cancel_scope)
                # Another address is another chance.
                await self._network_change()

    async def _try_until_found(self, attempt: trio.CancelScope) -> None:
        await self.restart()
        await self._session.changes.wait_until(lambda: not self._is_restoring())
        attempt.cancel()

    async def restart(self) -> bool:
        """Look for another way between the two sides; tell whether there is one."""
        self._session.connection.restart_ice()
        if not await self._session.negotiator.renegotiate():
            return False
        await self._session.changes.wait_until(
            lambda: self._session.connection.ice_connection_state != "checking"
        )
        return self._session.connection.ice_connection_state == "completed"
