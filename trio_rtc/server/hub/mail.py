"""Mail of members: what is put into a mailbox, and why it may have no place. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, Protocol, TypeAlias

import msgspec

from .presence import Presence


class Relayed(msgspec.Struct, frozen=True, gc=False):
    """A message of another member, as it was sent.

    ``number`` is the sender's own for it, if its protocol has numbers. ``protocol`` is the one in
    which it is said; empty if it is a message of a call, as all understand it.
    """

    sender: int
    body: bytes
    number: int = 0
    protocol: str = ""


Mail: TypeAlias = Presence | Relayed

FULL: Final = "mailbox_full"
UNKNOWN: Final = "unknown_peer"
"""Codes of why a message has reached nobody."""


class NoSuchMember(LookupError):
    """No member of this room has this id."""


class SenderElsewhere(NoSuchMember):
    """Whoever sends goes on with another server by now."""


class OverLimit(Exception):
    """There is no place for something.

    Attributes:
        limit: which one of `ServerLimits` says so.
    """

    def __init__(self, limit: str):
        super().__init__(limit)
        self.limit = limit


class MailboxFull(OverLimit):
    """The receiver has not fetched what is there already."""


class HubFull(OverLimit):
    """The server has no place for another member."""


class KeyTaken(Exception):
    """Another member is found by this key."""


class Mailbox(Protocol):
    """Where a member's mail goes. No method may call the hub.

    Attributes:
        acknowledges: whether it is told later what has reached the member
            (`HubEngine.acknowledge`); otherwise all that is put in has.
    """

    acknowledges: ClassVar[bool] = False

    def put_message(self, message: Relayed) -> None:
        """Take in a message, or raise `MailboxFull`: then its sender is told."""

    def put_notice(self, notice: Presence) -> None:
        """Take in a notice, or raise `MailboxFull`: then the member is removed."""

    def put_failure(self, number: int, to: int, code: str) -> None:
        """Take in that a message of the member's own has reached nobody; `MailboxFull` as a notice.

        Only those are told whose messages have numbers.
        """
        return

    def put_own(self, body: bytes) -> None:
        """Take in what its dialect says (`HubEngine.tell`); `MailboxFull` as for a notice."""
        return

    def restore(self, received: int, acknowledged: int) -> None:
        """Go on as on another server: before anything is put in.

        Args:
            received: the last number that has come from the member.
            acknowledged: how many of the things that were put in have reached it.
        """
        return

    def close(self, code: int | None = None) -> None:
        """The member has been removed, or goes on elsewhere.

        Args:
            code: with which close code its connection is to end, if the engine has one.
        """


SendFailure: TypeAlias = NoSuchMember | MailboxFull


class PendingSend:
    """A message of which it is not known yet whether it has its place.

    An engine that counts the mail of members itself puts the failure of a message with a number
    into the sender's mailbox (`Mailbox.put_failure`), and settles without one.
    """

    def __init__(self) -> None:
        self._is_settled = False
        self._failure: SendFailure | None = None
        self._on_settled: Callable[[SendFailure | None], None] | None = None

    def then(self, on_settled: Callable[[SendFailure | None], None]) -> None:
        """Have this called when it is known, with what has gone wrong. For who has sent it."""
        self._on_settled = on_settled
        if self._is_settled:
            on_settled(self._failure)

    def settle(self, failure: SendFailure | None = None) -> None:
        """It is known. For the engine."""
        self._is_settled, self._failure = True, failure
        if self._on_settled is not None:
            self._on_settled(failure)
