"""Tokens of native sessions: until when they let somebody stay, and fresh ones in the session."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ....wire import native as protocol
from ....world import world
from ...authorize import Admission, JoinRequest
from ...context import Context
from ...hub.member_names import clean_text
from ..membership import Membership, admit
from ..refusal import Refused
from .native_member import Session

logger = logging.getLogger("trio_rtc.server")


class Tokens:
    """When sessions end, and what is shown to have them go on.

    Args:
        sessions: let somebody stay.
        renewed: called when a session may go on for longer.
    """

    def __init__(
        self,
        context: Context,
        sessions: Membership[Session],
        renewed: Callable[[Session], None],
    ):
        self._context = context
        self._sessions = sessions
        self._renewed = renewed
        self._checking: set[Session] = set()

    def show(self, session: Session, token: str) -> None:
        """Somebody shows another token; the answer comes when it has been looked at."""
        if session in self._checking:
            self._refuse(session, "one token is being looked at already")
            return
        self._checking.add(session)
        self._context.start_soon(self._check, session, token)

    async def _check(self, session: Session, token: str) -> None:
        asked = replace(session.asked or _asked(session), token=token)
        try:
            admission = await admit(asked, self._context)
            with self._context.flush_batch:
                self._take(session, admission)
            return
        except Refused as refusal:
            why = str(refusal)
        except Exception:
            # One session never ends another, and a server never ends by a mistake.
            self._context.statistics.failures += 1
            logger.exception("a token could not be looked at", extra=_log(session))
            why = "it could not be decided"
        finally:
            self._checking.discard(session)
        with self._context.flush_batch:
            self._refuse(session, why)

    def _take(self, session: Session, admission: Admission) -> None:
        if not session.member.present:
            return
        name = clean_text(admission.name)
        is_other = session.subject is not None and admission.subject != session.subject
        is_other |= name not in ("", session.member.name)
        if is_other or admission.room != session.member.room:
            self._context.statistics.refused += 1
            self._refuse(session, "the token is for somebody else, or for another room")
            return
        session.until, session.subject = admission.until, admission.subject
        self._sessions.stay(session, admission.until)
        self._sessions.note(session)
        logger.info("showed a fresh token", extra=_log(session))
        session.say(protocol.TokenAccepted(token_seconds=seconds_left(session)))
        self._renewed(session)

    def _refuse(self, session: Session, why: str) -> None:
        logger.info("token refused", extra=_log(session) | {"why": why})
        session.say(protocol.Error(code="token_refused", message=why))


def seconds_left(session: Session) -> float | None:
    """For how long a session may go on; None if for ever."""
    return None if session.until == math.inf else round(max(0.0, session.until - world().time()), 3)


def _asked(session: Session) -> JoinRequest:
    return JoinRequest(name=session.member.name, room=session.member.room, token=None, address="")


def _log(session: Session) -> dict[str, Any]:
    return {"peer": session.member.id, "room": session.member.room}
