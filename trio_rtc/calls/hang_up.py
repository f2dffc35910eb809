"""The hang-up: the last message of a call."""

from __future__ import annotations

import logging

import trio

from ..errors import MessageTooLarge, TrioRTCError
from ..signaling import Peer, Signaling
from ..wire.messages import Bye, encode

logger = logging.getLogger("trio_rtc.call")


async def send_hang_up(signaling: Signaling, peer: Peer, bye: Bye, timeout: float) -> None:
    """Tell a peer that a call is over, if it can be told within so many seconds."""
    try:
        with trio.move_on_after(timeout):
            try:
                await signaling.send(peer, encode(bye))
            except MessageTooLarge:
                # That the call is over matters more than why.
                await signaling.send(peer, encode(Bye(call=bye.call)))
    except TrioRTCError as error:
        logger.debug("could not tell %s that the call is over: %s", peer, error)
