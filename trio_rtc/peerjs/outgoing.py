"""Send queue to a PeerJS server, which acknowledges nothing. No I/O.

A pong that answers a ping which was sent after a message proves that the message has arrived
(TCP keeps the order, RFC 6455 section 5.5.3 answers a ping). Until then it is kept, and said again
on the next connection. What comes twice is harmless, but for one thing: a page with PeerJS that
hears an OFFER for the second time closes the connection that came of the first. So an offer is
not said again once its receiver has said anything about it, nor anything about a connection that
stands or is over.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from ..signaling.client_session import TRIES

About: TypeAlias = tuple[str, str]
"""A connection: the other peer's id, and the connection's."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A message, and which connection it is about, if any."""

    message: bytes
    about: About | None = None
    is_offer: bool = False


class Outgoing:
    """Messages in the order in which they were put there."""

    def __init__(self) -> None:
        self._unsent: deque[Kept] = deque()
        self._sent: deque[tuple[int, Kept]] = deque()
        self._count = 0
        # What was the first to be sent again the last time, and how often it has been.
        self._first: Kept | None = None
        self._tries = 0

    def __len__(self) -> int:
        return len(self._unsent) + len(self._sent)

    @property
    def unsent(self) -> int:
        """How many are still to be sent on this connection."""
        return len(self._unsent)

    @property
    def unproven(self) -> int:
        """How many have been sent, and may not have arrived."""
        return len(self._sent)

    def put(self, message: Kept) -> None:
        """Add a message."""
        self._unsent.append(message)

    def next(self) -> Kept:
        """The next one to be sent. It counts as sent with `sent` only."""
        return self._unsent[0]

    def sent(self, message: Kept) -> None:
        """What was next is on its way."""
        if self._unsent and self._unsent[0] is message:
            self._unsent.popleft()
            self._count += 1
            self._sent.append((self._count, message))

    def mark(self) -> int:
        """To be asked before a ping is sent, for `prove`."""
        return self._count

    def prove(self, mark: int) -> None:
        """What was sent before the mark has arrived."""
        while self._sent and self._sent[0][0] <= mark:
            self._sent.popleft()

    def repeat(self) -> Kept | None:
        """The connection is another one: what may not have arrived is to be sent again.

        Gives what is not, as it has ended a connection too often. Something on the way may not let
        it pass, and nothing would get through any more.
        """
        first = self._sent[0][1] if self._sent else None
        self._tries = self._tries + 1 if first is self._first else 1
        self._first = first
        given_up = None
        if first is not None and self._tries >= TRIES:
            self._sent.popleft()
            given_up, self._first = first, None
        self._unsent.extendleft(message for _, message in reversed(self._sent))
        self._sent.clear()
        return given_up

    def answered(self, about: About) -> None:
        """The other peer knows a connection: its offer has arrived."""
        self._sent = deque(
            (count, kept)
            for count, kept in self._sent
            if not (kept.is_offer and kept.about == about)
        )

    def drop_sent(self, about: About) -> None:
        """What was said about a connection need not be said again."""
        self._sent = deque((count, kept) for count, kept in self._sent if kept.about != about)

    def drop(self, about: About) -> None:
        """What is to be said about a connection need not be said at all."""
        self.drop_sent(about)
        self._unsent = deque(kept for kept in self._unsent if kept.about != about)
