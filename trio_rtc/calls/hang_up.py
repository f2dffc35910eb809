"""The hang-up: the last message of a call, or the only one."""

from __future__ import annotations

import logging
from typing import Final

import trio

from ..errors import MessageTooLarge, TrioRTCError
from ..faults import RareWarnings
from ..signaling import Peer, Signaling
from ..wire.messages import Bye, encode
from .negotiation import Negotiation

logger = logging.getLogger("trio_rtc.call")

MAX_DECLINING: Final = 64
"""Callers who are told at once that there is no place; those above that learn it from the time."""

LINGER_SECONDS = 1.0
"""How long what was sent before a hang-up may come after it, and the other way round."""

FAREWELL_SECONDS = 5.0
"""How long a hang-up that is surely said may come after the end of the connection.

Each loss on its way doubles the time until TCP sends it again (RFC 6298, section 5.5): two are made
good after 3 s, and in Linux, which begins with 200 ms, four. Nobody should see a call that stands
still for longer.
"""


def seconds_to_hear_one(negotiation: Negotiation) -> float:
    """How long the other side's hang-up is waited for once it has closed the connection.

    Who names calls always says it; of others nobody knows.
    """
    return LINGER_SECONDS if negotiation.bye_call is None else FAREWELL_SECONDS


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


class Declining:
    """Tells callers that there is no call. None of them holds up the others."""

    def __init__(self, signaling: Signaling, nursery: trio.Nursery):
        self._signaling = signaling
        self._nursery = nursery
        self._under_way = 0
        self.warnings = RareWarnings(logger)

    def start(self, peer: Peer, hang_up: Bye) -> None:
        if self._under_way < MAX_DECLINING:
            self._under_way += 1
            self._nursery.start_soon(self._decline, peer, hang_up)

    async def _decline(self, peer: Peer, hang_up: Bye) -> None:
        try:
            await self._signaling.send(peer, encode(hang_up))
        except TrioRTCError as error:
            logger.debug("could not decline the call of %s: %s", peer, error)
        finally:
            self._under_way -= 1
