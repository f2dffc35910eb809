"""Token renewal of a session, before the server ends it with the last one."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import trio

from ..errors import SignalingError

logger = logging.getLogger("trio_rtc.signaling")

GiveToken: TypeAlias = Callable[[], str | Awaitable[str]]
"""Gives a token that is good by now; it may be async."""

EARLY_SECONDS: Final = 30.0
"""How long before the end of a token another is shown; a third of its time at most."""

RETRY_SECONDS: Final = 10.0
"""After how long it is tried again."""


async def give(source: GiveToken) -> str:
    """A fresh token.

    Raises:
        SignalingError: ``bad_token``: it is no text.
    """
    given = source()
    token = await given if inspect.isawaitable(given) else given
    check_token(token)
    return token


def check_token(token: object) -> None:
    """Look whether something can be shown as a token.

    Raises:
        SignalingError: ``bad_token``: it is no text.
    """
    if not isinstance(token, str) or any("\ud800" <= one <= "\udfff" for one in token):
        raise SignalingError("the token is no text", code="bad_token", fault="local")


class TokenRenewal:
    """Shows fresh tokens in time, for as long as it runs.

    Args:
        source: gives them.
        show: has the server told of one.
    """

    def __init__(self, source: GiveToken, show: Callable[[str], None]):
        self._source = source
        self._show = show
        self._due = math.inf
        self._changed = trio.Event()

    def good_for(self, seconds: float | None) -> None:
        """The server has said for how long the last one is good; None is for ever."""
        left = math.inf if seconds is None else seconds
        early = min(EARLY_SECONDS, left / 3)
        self._due = trio.current_time() + left - early
        self._changed.set()
        self._changed = trio.Event()

    async def run(self) -> None:
        """Show tokens."""
        while True:
            changed = self._changed
            with trio.move_on_at(self._due):
                await changed.wait()
                continue
            self._due = trio.current_time() + RETRY_SECONDS
            try:
                self._show(await give(self._source))
            except Exception:
                # The session goes on as long as the server has it go on.
                logger.exception("there is no fresh token; trying again in %.0f s", RETRY_SECONDS)
