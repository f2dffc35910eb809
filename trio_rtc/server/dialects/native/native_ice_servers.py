"""STUN and TURN servers that native clients are told of, with credentials that are good for now."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import trio

from ....wire import native as protocol
from ....world import world
from ...hub.expiry import Expiry
from ...turn import TurnCredentials
from .native_member import Session, encode_ice_servers


class IceServerIssuer:
    """Issues credentials for sessions, and new ones before they expire.

    Args:
        turn: what they come from, if there are any.
        tell: puts what `encode_ice_servers` makes of them into the mailbox of a session.
    """

    def __init__(self, turn: TurnCredentials | None, tell: Callable[[Session, bytes], None]):
        self._turn = turn
        self._tell = tell
        self._issued: Expiry[Session] = Expiry(turn.lifetime / 2 if turn else 0)

    def issue(self, session: Session) -> list[protocol.IceServerEntry]:
        """Servers with credentials, which are not good for longer than the session may go on."""
        if self._turn is None:
            return []
        self._issued.begin(session, trio.current_time())
        issued = self._turn.issue(world().time(), str(session.member.id), session.until)
        return [protocol.IceServerEntry(**server) for server in issued]

    def renew(self, session: Session) -> None:
        """Tell a session of credentials for as long as they may be good by now."""
        if self._turn is not None:
            self._tell(session, encode_ice_servers(self.issue(session)))

    def due(self, now: float) -> Iterator[Session]:
        """Sessions whose credentials are to be renewed, each of them once."""
        return self._issued.due(now)

    def end(self, session: Session) -> None:
        self._issued.end(session)
