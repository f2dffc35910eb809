"""Glare: the peer has called us before we call it."""

from __future__ import annotations

from collections import deque

from ..errors import NegotiationError
from ..signaling import MessageReceived, Subscription
from ..wire.messages import SessionDescription, decode
from . import negotiation as todo


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
