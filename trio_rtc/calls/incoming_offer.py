"""An offer of the other side before its call begins: one that crosses ours, or is asked about."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import trio

from ..errors import NegotiationError
from ..signaling import MessageReceived, Peer, PeerLeft, Subscription
from ..tasks import open_background_nursery
from ..wire.messages import Bye, IceCandidate, Message, SessionDescription, decode
from . import negotiation as todo

Accept: TypeAlias = Callable[[Peer], Awaitable[object]]
"""Whether a call of this peer is taken. It is cancelled when the caller gives up."""


MAX_PENDING_PEERS: Final = 64
"""Peers whose candidates wait for an offer of theirs, which hardly ever comes after them."""


class PendingCandidates:
    """Remote candidates that have come before an offer: some of each of the last few peers."""

    def __init__(self) -> None:
        self._of: dict[Peer, list[IceCandidate]] = {}

    def add(self, peer: Peer, candidate: IceCandidate) -> None:
        """Keep one, if there is room for it."""
        if len(self._of) >= MAX_PENDING_PEERS and peer not in self._of:
            del self._of[next(iter(self._of))]
        kept = self._of.setdefault(peer, [])
        if len(kept) < todo.MAX_PENDING_CANDIDATES:
            kept.append(candidate)

    def take(self, peer: Peer) -> list[IceCandidate]:
        """Those of a peer, which are not kept any more."""
        return self._of.pop(peer, [])


class NotAccepted(Exception):
    """The program does not take the call, or has not said so in time."""


class CallerGone(Exception):
    """The caller has given up, or calls anew."""


async def ring(
    accept: Accept, peer: Peer, subscription: Subscription, call: str | None, seconds: float
) -> Sequence[Message]:
    """Wait until the program takes the call; what the caller has said meanwhile.

    Args:
        accept: asks it.
        peer: who calls.
        subscription: what it says.
        call: the id of its call.
        seconds: how long that may take.

    Raises:
        NotAccepted: it does not.
        CallerGone: there is nobody any more who waits for that.
        SignalingLost: the session has ended.
    """
    said: list[Message] = []
    accepted = gone = False
    with trio.move_on_after(seconds):
        async with open_background_nursery() as nursery:

            async def listen() -> None:
                nonlocal gone
                await _until_gone(subscription, call, said)
                gone = True
                nursery.cancel_scope.cancel()

            nursery.start_soon(listen)
            accepted = bool(await accept(peer))
    if gone:
        raise CallerGone("the caller has given up")
    if not accepted:
        raise NotAccepted("it is not wanted")
    return said


async def _until_gone(subscription: Subscription, call: str | None, said: list[Message]) -> None:
    async for event in subscription:
        if isinstance(event, PeerLeft):
            return
        if not isinstance(event, MessageReceived):
            continue
        try:
            message = decode(event.data)
        except NegotiationError:
            continue
        if isinstance(message, Bye) and message.call in (None, call):
            return
        if isinstance(message, SessionDescription) and message.type == "offer":
            # Whoever takes the next call has it.
            subscription.put_back(event)
            return
        if isinstance(message, IceCandidate) and len(said) < todo.MAX_PENDING_CANDIDATES:
            said.append(message)


def take_waiting_offer(
    subscription: Subscription, negotiation: todo.Negotiation
) -> SessionDescription | None:
    """The peer's own offer, if it waits to be heard: then ours is not needed."""
    waiting = deque(subscription.waiting())
    offer = None
    while waiting and offer is None:
        event = waiting.popleft()
        if not isinstance(event, MessageReceived):
            waiting.appendleft(event)
            break
        try:
            action = negotiation.receive(decode(event.data))
        except NegotiationError:
            # Of a call before this one, or of none.
            continue
        if isinstance(action, todo.Answer):
            offer = action.offer
    while waiting:
        subscription.put_back(waiting.pop())
    return offer
