"""The engine: what keeps rooms, members and mail, as the dialects know it. No I/O.

`Hub` is the one there is, in the memory of this process. Another one may keep all that for several
servers: so what takes a round trip there may be answered later here.

======================== ==========================================================================
``join``                 is awaited
``send``                 is done at once, or raises at once; or gives a `PendingSend`
``leave``, ``tell``      have no answer
``find``, ``take``       are awaited: they go on with members of other servers
``member`` and the like  tell of the rooms in which this server has members, which an engine knows
                         without asking: whoever is in a room is told of all that happens there
======================== ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from .hub import Member
from .mail import Mailbox, PendingSend, Relayed, SendFailure
from .portable import Found, Portable

__all__ = ["HubEngine", "PendingSend", "SendFailure"]


class HubEngine(Protocol):
    """What the dialects ask of it."""

    async def join(
        self,
        name: str,
        mailbox: Mailbox,
        room: str = ...,
        on_removed: Callable[[Member], None] = ...,
        protocol: str = ...,
        portable: Portable | None = ...,
    ) -> Member:
        """Add a member; those who are in the room are told of it.

        Until this is done nothing comes to the mailbox. Who is cancelled has not joined.

        Args:
            name: what it is to be called; ``peer_ID`` if it is empty.
            mailbox: where its mail goes.
            room: which room; it comes to be with its first member.
            on_removed: called once when it is a member no more, before its mailbox is closed. It
                must not call the engine.
            protocol: which one it speaks.
            portable: what another server needs to go on with it, if it can.

        Raises:
            HubFull: there are too many members, or rooms.
            KeyTaken: another member is found by its key.
        """

    def leave(self, member: Member) -> None:
        """Remove a member; those who stay in the room are told of it."""

    def send(self, sender: Member, message: Relayed, to: int) -> PendingSend | None:
        """Put a message into the mailbox of a member of the sender's room.

        Messages of one member to another come in the order of the calls.

        Raises:
            NoSuchMember: the room has no such member.
            MailboxFull: too much waits there.
        """

    def refuse(
        self, member: Member, number: int, refused: Iterable[tuple[int, int]]
    ) -> PendingSend | None:
        """Tell senders that there was no place for their messages after all.

        Args:
            member: who has no place for them.
            number: its own for saying so.
            refused: who has sent each, and the sender's number for it.
        """

    def tell(self, member: Member, body: bytes) -> None:
        """Put something of its own dialect into a member's mailbox, between what others say."""

    def acknowledge(self, member: Member, received: int) -> None:
        """So many of the things in its mailbox, since it joined, have reached a member."""

    def note(self, member: Member, state: Callable[[], bytes]) -> None:
        """What another server needs of a member has changed: see `Portable`."""

    async def claim(self, member: Member, state: Callable[[], bytes]) -> bool:
        """`note`, waited for: whoever has found the member as it was before does not `take` it.

        Returns:
            False if it is a member here no more: another server has been first.
        """

    async def find(self, protocol: str, key: bytes | int) -> Found | None:
        """The member of another server with this key, or this id."""

    async def take(
        self,
        found: Found,
        state: bytes,
        mailbox: Mailbox,
        on_removed: Callable[[Member], None],
        received: int = ...,
    ) -> Member | None:
        """Go on with a member of another server, which loses it.

        Args:
            found: who it is.
            state: what another server needs of it from now on.
            mailbox: it is restored, and gets all that has not reached the member.
            on_removed: as for `join`.
            received: how much of its mail has reached the member, as it says.

        Returns:
            None if it is not as it was found: somebody else has gone on with it, or noted more.
        """

    def send_for(self, found: Found, message: Relayed, to: int) -> PendingSend:
        """`send` for a member that stays where it is."""

    def watch(self, watcher: Callable[[Member], None]) -> None:
        """Have this called with each member that has joined. It must not call the engine."""

    def member(self, id: int) -> Member | None:  # noqa: A002
        """The member with this id, if it is present."""

    def named(self, name: str, room: str = ...) -> Member | None:
        """The member of a room with this name; of several, the one who came last."""

    async def find_named(self, name: str, room: str) -> Member | None:
        """As `named`, also where this server has no member in the room."""

    def others(self, member: Member) -> Iterator[Member]:
        """Who else is in the room, in the order in which they came."""
