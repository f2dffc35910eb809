"""Heartbeat: which WebSocket clients have gone without a word. No task of its own."""

from __future__ import annotations

from ...wire.close_codes import UNRESPONSIVE, CloseCode
from ..context import Context
from ..hub.expiry import Expiry
from ..scheduling.steps import Turn
from .frames import WebSocket


class Heartbeat:
    """Pings connections, and fails those that do not answer in time."""

    def __init__(self, context: Context):
        self._statistics = context.statistics
        self._until_ping: Expiry[WebSocket] = Expiry(context.limits.ping_seconds)
        self._until_pong: Expiry[WebSocket] = Expiry(context.limits.pong_seconds)

    def add(self, websocket: WebSocket, now: float) -> None:
        """Watch a connection."""
        self._until_ping.begin(websocket, now)

    def remove(self, websocket: WebSocket) -> None:
        """Watch it no more."""
        self._until_ping.end(websocket)
        self._until_pong.end(websocket)

    def tick(self, now: float) -> bool:
        """Do some of what is due; whether there may be more. To be called once in a second."""
        turn = Turn()
        for websocket in turn.some(self._until_ping.due(now)):
            websocket.ping()
            self._until_pong.begin(websocket, now)
        for websocket in turn.some(self._until_pong.due(now)):
            if websocket.awaits_pong:
                self._statistics.over_limit["pong_seconds"] += 1
                websocket.fail(CloseCode.TIMEOUT, UNRESPONSIVE)
            else:
                self._until_ping.begin(websocket, now)
        return turn.is_over
