"""Offers, answers and candidates of one connection in a call, each in its turn."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Final, Protocol

import trio

from ..errors import NegotiationError, TrioRTCError
from ..rtc import PeerConnection
from ..tasks import Changes
from ..wire.messages import IceCandidate, SessionDescription
from . import negotiation as todo
from .options import StepName

_KEPT_CANDIDATES: Final = 64

OFFER_AGAIN_SECONDS = 1.0
"""After an offer that could not be made or sent, or was not answered."""


class NegotiatorContext(Protocol):
    """What the exchange of messages needs of the call that it belongs to."""

    async def send(self, message: SessionDescription | IceCandidate) -> None:
        """Send it to the other peer."""

    def trace(self, name: StepName, candidate: str = "") -> None:
        """Tell of a step."""

    def complain(self, error: TrioRTCError) -> None:
        """Log what does not end the call."""

    def authenticated(self, description: SessionDescription) -> SessionDescription:
        """A description of the one that we know."""

    def excusing_errors(self) -> AbstractContextManager[None]:
        """A block whose errors end the call only before it is connected."""


class Negotiator:
    """Drives a connection as a `todo.Negotiation` says.

    Args:
        answer_timeout: seconds until an offer in a call that stands is taken back.

    Attributes:
        remote_candidates: the first ones of theirs, as lines, to tell what was tried.
    """

    def __init__(
        self,
        connection: PeerConnection,
        negotiation: todo.Negotiation,
        context: NegotiatorContext,
        answer_timeout: float,
    ):
        self._connection = connection
        self._negotiation = negotiation
        self._context = context
        self._answer_timeout = answer_timeout
        self._one_at_a_time = trio.Lock()
        self._described = trio.Event()
        self._changes = Changes()
        self._found, self._to_send = trio.open_memory_channel[IceCandidate](math.inf)
        self.remote_candidates: list[str] = []
        self._received, self._to_apply = trio.open_memory_channel[IceCandidate](math.inf)

    # Descriptions.

    async def offer(self) -> int:
        """Make an offer and send it; the number of the offer."""
        number = self._negotiation.offered()
        await self._describe("offer_sent")
        return number

    async def perform(self, action: todo.Description) -> None:
        """Apply what the other side has described, and answer it if it is an offer."""
        async with self._one_at_a_time:
            try:
                match action:
                    case todo.Accept(answer):
                        self._context.trace("answer_received")
                        await self._apply(answer)
                    case todo.Answer(offer) | todo.TakeBack(offer):
                        self._context.trace("offer_received")
                        if isinstance(action, todo.TakeBack):
                            await self._connection.roll_back()
                        await self._apply(offer)
                        await self._describe("answer_sent")
            except TrioRTCError:
                if self._negotiation.is_established:
                    await self._abandon()
                raise
            self._negotiation.completed(needs_offer=self._connection.negotiation_needed)
        self._changes.notify()

    async def _describe(self, step: StepName) -> None:
        # Candidates come out while the description is made, and must not overtake it.
        self._described = trio.Event()
        try:
            description = await self._connection.set_local_description()
            await self._context.send(description)
            self._context.trace(step)
        finally:
            self._described.set()

    async def _apply(self, description: SessionDescription) -> None:
        description = self._context.authenticated(description)
        await self._connection.set_remote_description(description)
        for candidate in self._negotiation.applied(description):
            self.receive(candidate)

    async def renegotiate(self) -> bool:
        """Have what is new offered to the other side; tell whether it took part."""
        need = self._negotiation.needed()
        self._changes.notify()
        await self._changes.wait_until(lambda: self._negotiation.outcome(need) is not None)
        return bool(self._negotiation.outcome(need))

    def negotiation_needed(self) -> None:
        """Something may have to be offered to the other side; nobody waits for it."""
        if self._connection.negotiation_needed:
            self._negotiation.needed()
            self._changes.notify()

    async def offer_again(self) -> None:
        """The task that makes the offers in a call that stands, one at a time."""
        while True:
            await self._changes.wait_until(lambda: self._negotiation.may_offer)
            with self._context.excusing_errors():
                await self._offer_again()
                continue
            # It is needed as before, and fails at once where the server is lost.
            await trio.sleep(OFFER_AGAIN_SECONDS)

    async def _offer_again(self) -> None:
        async with self._one_at_a_time:
            if not self._negotiation.may_offer:
                return
            try:
                number = await self.offer()
            except TrioRTCError:
                await self._abandon()
                raise
        with trio.move_on_after(self._answer_timeout):
            await self._changes.wait_until(lambda: not self._negotiation.is_offering(number))
            return
        async with self._one_at_a_time:
            if self._negotiation.is_offering(number):
                await self._abandon()
        raise NegotiationError(
            f"an offer was not answered within {self._answer_timeout:g} s",
            code="negotiation_timeout",
        )

    async def _abandon(self) -> None:
        self._negotiation.abandoned()
        if self._connection.signaling_state == "have-local-offer":
            await self._connection.roll_back()
        self._changes.notify()

    # Candidates.

    def found(self, candidate: IceCandidate) -> None:
        """A candidate of ours."""
        self._found.send_nowait(candidate)

    def receive(self, candidate: IceCandidate) -> None:
        """A candidate of theirs, which may be applied now."""
        if len(self.remote_candidates) < _KEPT_CANDIDATES:
            self.remote_candidates.append(candidate.candidate)
        self._received.send_nowait(candidate)

    async def trickle_local(self) -> None:
        """The task that sends our candidates, each after the description it belongs to."""
        async for candidate in self._to_send:
            await self._described.wait()
            with self._context.excusing_errors():
                await self._context.send(candidate)
                self._context.trace("candidate_sent", candidate.candidate)

    async def trickle_remote(self) -> None:
        """The task that applies theirs: all at once, but the end after all of them."""
        while True:
            async with trio.open_nursery() as nursery:
                async for candidate in self._to_apply:
                    self._context.trace("candidate_received", candidate.candidate)
                    if candidate.is_end:
                        break
                    # A name that has to be resolved must not hold up the others.
                    nursery.start_soon(self._add, candidate)
            await self._add(candidate)

    async def _add(self, candidate: IceCandidate) -> None:
        with self._context.excusing_errors():
            try:
                await self._connection.add_ice_candidate(candidate)
            except NegotiationError as error:
                self._context.complain(error)
