"""The goodbye that a peer is owed, from when it has heard of a call until it knows of its end."""

from __future__ import annotations

import logging

import trio

from ..errors import MessageTooLarge, TrioRTCError
from ..signaling import Peer, Signaling
from ..wire.messages import Bye, encode

logger = logging.getLogger("trio_rtc.call")


class Goodbye:
    """Says it once.

    Args:
        timeout: seconds that it may take.

    Attributes:
        owed: whether the peer has heard of the call, and not of its end.
    """

    def __init__(self, signaling: Signaling, peer: Peer, timeout: float, *, owed: bool):
        self._signaling = signaling
        self._peer = peer
        self._timeout = timeout
        self.owed = owed

    async def say(self, reason: str, call: str | None) -> None:
        """Tell the peer that the call is over, if it is owed that."""
        if not self.owed:
            return
        try:
            with trio.move_on_after(self._timeout):
                try:
                    await self._signaling.send(self._peer, encode(Bye(reason=reason, call=call)))
                except MessageTooLarge:
                    # That the call is over matters more than why.
                    await self._signaling.send(self._peer, encode(Bye(call=call)))
        except TrioRTCError as error:
            logger.debug("could not tell %s that the call is over: %s", self._peer, error)
        self.owed = False
