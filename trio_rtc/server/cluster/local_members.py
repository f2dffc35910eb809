"""Local members: those of this server, and which mail each of them has had. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..hub.hub import Member
from ..hub.mail import Mailbox, Relayed
from ..hub.presence import Presence
from .entries import FailureEntry, OwnEntry, decode_entry, message_size


class LocalMember:
    """A member whose mailbox is here. Its mail has numbers, which Redis counts.

    Args:
        acknowledged: the number up to which it has had its mail.
        received: the last number that has come from it.

    Attributes:
        id: see `Member`, as Redis has it.
        epoch: how often it has gone on elsewhere.
        next: the number of what is put into its mailbox next.
        acknowledged: up to which number Redis has been told that its mail has reached it.
        received: the last number of its own that Redis has.
        is_open: whether anything is put into its mailbox yet.
        others: who else was in the room when it joined, until it is open.
        on_removed: called once when it is here no more.
        is_syncing: whether Redis is asked for what may have been missed.
    """

    def __init__(
        self,
        member: Member,
        mailbox: Mailbox,
        epoch: int,
        on_removed: Callable[[Member], None] | None = None,
        *,
        acknowledged: int = 0,
        received: int = 0,
    ):
        self.member = member
        self.mailbox = mailbox
        self.epoch = epoch
        self.next = acknowledged + 1
        self.acknowledged = self._reached = acknowledged
        self.received = received
        self.is_open = False
        self.others: list[Member] | None = None
        self.on_removed = on_removed
        self.is_syncing = False
        # What counts for the limit of its mailbox, of each entry that is not acknowledged.
        self._sizes: deque[int] = deque()
        self._early: dict[int, bytes] = {}

    @property
    def id(self) -> int:
        return self.member.id

    def add(self, number: int, entry: bytes) -> bool:
        """Take in an entry; whether one before it is missing.

        Raises:
            Foreign: it is none.
            MailboxFull: there is no place for it.
        """
        if number >= self.next:
            self._early[number] = entry
        return self.put() and number > self.next

    def put(self) -> bool:
        """Put in what has its turn, if anything is to be put in; whether that is so."""
        if not self.is_open:
            return False
        while self._early and (entry := self._early.pop(self.next, None)) is not None:
            self.put_entry(entry)
        return True

    def put_entry(self, entry: bytes) -> None:
        """Put in an entry, which has its turn."""
        # It counts even if there is no place for it: then the member is removed.
        self.next += 1
        self._sizes.append(message_size(entry))
        mailbox, content = self.mailbox, decode_entry(entry)
        if isinstance(content, Relayed):
            mailbox.put_message(content)
        elif isinstance(content, Presence):
            mailbox.put_notice(content)
        elif isinstance(content, FailureEntry):
            mailbox.put_failure(content.number, content.to, content.code)
        else:
            assert isinstance(content, OwnEntry)
            mailbox.put_own(content.body)

    def reached(self, number: int) -> None:
        """Its mail up to this number has reached it."""
        self._reached = max(self._reached, min(number, self.next - 1))

    def take_acknowledgement(self) -> tuple[int, int] | None:
        """What to tell Redis of that, once: up to which number, and how many bytes that is."""
        if not self.mailbox.acknowledges:
            self._reached = self.next - 1
        more = self._reached - self.acknowledged
        if more <= 0:
            return None
        self.acknowledged = self._reached
        return self._reached, sum(self._sizes.popleft() for _ in range(more))
