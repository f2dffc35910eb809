"""A hosted peer: one that a program in the server's own process speaks for. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from ....tasks import Changes
from ...hub.hub import Mail, Mailbox, MailboxFull, Member, Relayed
from ...hub.mail import PendingSend
from ...hub.memory import OVERHEAD, Account
from ...hub.presence import Presence


class Undelivered(msgspec.Struct, frozen=True):
    """A message of the peer itself that has reached nobody.

    Attributes:
        number: its own for it.
        to: the id of whom it was for.
        code: why, as `unknown_peer` or `mailbox_full`.
    """

    number: int
    to: int
    code: str


class HostedPeer(Mailbox):
    """A member of a room whose program runs beside the server. It is also its mailbox.

    What has come waits, counted in the server's memory, until `receive` gives it.

    Attributes:
        name: what it is called, and ``room`` where: no two have both.
        member: how the hub knows it: its id, its name and its room.
        client_network: of the client for which it is there, whose places it takes.
    """

    member: Member

    def __init__(
        self,
        name: str,
        room: str,
        client_network: str,
        account: Account,
        send: Callable[[Member, Relayed, int], PendingSend | None],
        others: Callable[[Member], Iterable[Member]],
        leave: Callable[[HostedPeer], None],
    ):
        self.name, self.room = name, room
        self.client_network = client_network
        self._account = account
        self._send = send
        self._others = others
        self._leave = leave
        self._mail: deque[Mail | Undelivered] = deque()
        self._changes = Changes()
        self._is_closed = False

    @property
    def key(self) -> HostedPeer:
        """It is found by nothing but itself."""
        return self

    def others(self) -> list[Presence]:
        """Who else is in the room. Whoever comes and goes later is told of in its mail."""
        return [
            Presence(other.id, other.name, connected=True, protocol=other.protocol)
            for other in self._others(self.member)
        ]

    def send(self, to: int, body: bytes, number: int) -> PendingSend | None:
        """Send a message to a member of the room.

        Args:
            to: its id.
            body: the message.
            number: the peer's own for it, by which its failure is told if that comes later.

        Raises:
            NoSuchMember: there is no such member, or the peer is none itself.
            MailboxFull: too much waits there.
        """
        return self._send(self.member, Relayed(self.member.id, body, number), to)

    async def receive(self) -> Mail | Undelivered | None:
        """What has come next; None when the peer is a member no more."""
        await self._changes.wait_until(lambda: bool(self._mail) or self._is_closed)
        if self._is_closed:
            return None
        mail = self._mail.popleft()
        self._account.add(-_size(mail))
        return mail

    def leave(self) -> None:
        """Have it be a member no more: the others see it leave at once."""
        self._leave(self)

    # As a mailbox. None of these may call the hub.

    def put_message(self, message: Relayed) -> None:
        """Take in a message, or raise `MailboxFull`."""
        self._put(message)

    def put_notice(self, notice: Presence) -> None:
        """Take in who comes or goes, or raise `MailboxFull`."""
        self._put(notice)

    def put_failure(self, number: int, to: int, code: str) -> None:
        """Take in that a message has reached nobody, or raise `MailboxFull`."""
        self._put(Undelivered(number, to, code))

    def _put(self, mail: Mail | Undelivered) -> None:
        if not self._account.take(_size(mail)):
            raise MailboxFull("memory_bytes")
        self._mail.append(mail)
        self._changes.notify()

    def close(self, code: int | None = None) -> None:
        """It is a member no more."""
        self._is_closed = True
        self._mail.clear()
        self._account.close()
        self._changes.notify()


def _size(mail: Mail | Undelivered) -> int:
    return OVERHEAD + (len(mail.body) if isinstance(mail, Relayed) else 0)


PeerProgram: TypeAlias = Callable[[HostedPeer], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class PeerHost:
    """Who speaks for the peers that the server makes for publishers.

    Attributes:
        program: run in a task of its own with each; the peer leaves when it returns. It is
            cancelled when the server ends.
        max_peers: how many there may be at once.
    """

    program: PeerProgram
    max_peers: int
