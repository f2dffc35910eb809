"""Mailbox of a member that polls: what waits until it asks for it. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..limits import ServerLimits
from .hub import Mail, Mailbox, MailboxFull, Relayed
from .memory import OVERHEAD, Account
from .presence import Presence


class PollingMailbox(Mailbox):
    """The mailbox of a member that fetches one thing at a time.

    Args:
        account: counts what waits.
        on_mail: called when something new waits, and when the member has been removed. It must
            not call the hub.

    Attributes:
        fetched: how many things have reached the member since it joined.
    """

    acknowledges = True

    def __init__(
        self,
        limits: ServerLimits,
        account: Account,
        on_mail: Callable[[], None],
    ):
        self._limits = limits
        self._account = account
        self._on_mail = on_mail
        self._mail: deque[Mail] = deque()
        self._messages = 0
        self._bytes = 0
        self._notice_bytes = 0
        self._taken = 0
        self._open = True
        self.fetched = 0

    def put_message(self, message: Relayed) -> None:
        """Add a message.

        Raises:
            MailboxFull: too much waits already.
        """
        if self._messages >= self._limits.mailbox_messages:
            raise MailboxFull("mailbox_messages")
        if self._bytes + len(message.body) > self._limits.mailbox_bytes:
            raise MailboxFull("mailbox_bytes")
        if not self._account.take(_size(message)):
            raise MailboxFull("memory_bytes")
        self._messages += 1
        self._bytes += len(message.body)
        self._mail.append(message)
        self._on_mail()

    def put_notice(self, notice: Presence) -> None:
        """Add a notice.

        Raises:
            MailboxFull: too many wait already.
        """
        # Messages do not count: nobody is to be removed for what others send to it.
        if len(self._mail) - self._messages >= self._limits.mailbox_messages:
            raise MailboxFull("mailbox_messages")
        if self._notice_bytes + len(notice.name) > self._limits.mailbox_bytes:
            raise MailboxFull("mailbox_bytes")
        if not self._account.allows(_size(notice), parts=2):
            raise MailboxFull("memory_bytes")
        self._account.add(_size(notice))
        self._notice_bytes += len(notice.name)
        self._mail.append(notice)
        self._on_mail()

    def restore(self, received: int, acknowledged: int) -> None:
        """Go on as on another server."""
        self.fetched = acknowledged

    def close(self, code: int | None = None) -> None:
        """The member has been removed: nothing waits for it any more."""
        self._open = False
        self._mail.clear()
        self._account.close()
        on_mail, self._on_mail = self._on_mail, _nobody
        on_mail()

    def take(self) -> Mail | None:
        """What has waited longest; None if nothing waits, or something is taken.

        It stays in the mailbox until it is `delivered` or `put_back`. One at a time: if the
        next one went out while this one may still come back, they would change places.
        """
        if self._taken or not self._mail:
            return None
        self._taken = 1
        return self._mail[0]

    def take_notices(self, most: int) -> list[Presence]:
        """As `take`, for as many notices as come next, and not more than that."""
        if self._taken:
            return []
        notices: list[Presence] = []
        for mail in self._mail:
            if len(notices) == most or not isinstance(mail, Presence):
                break
            notices.append(mail)
        self._taken = len(notices)
        return notices

    def delivered(self) -> None:
        """What was taken has reached the member."""
        taken, self._taken = self._taken, 0
        if not self._open:
            return
        for _ in range(taken):
            self.fetched += 1
            mail = self._mail.popleft()
            self._account.add(-_size(mail))
            if isinstance(mail, Relayed):
                self._messages -= 1
                self._bytes -= len(mail.body)
            else:
                self._notice_bytes -= len(mail.name)
        self._notify_of_rest()

    def put_back(self) -> None:
        """Undo a `take` that did not reach the member: it comes next again."""
        self._taken = 0
        self._notify_of_rest()

    def _notify_of_rest(self) -> None:
        if self._mail:
            self._on_mail()


def _nobody() -> None:
    pass


def _size(mail: Mail) -> int:
    """What a piece of mail costs."""
    if isinstance(mail, Relayed):
        return OVERHEAD + len(mail.body)
    return OVERHEAD + len(mail.name)
