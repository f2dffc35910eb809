"""The engine: what keeps rooms, members and mail, as the dialects know it. No I/O.

`Hub` is the one there is, in the memory of this process. Another one may keep all that for several
servers: so what takes a round trip there may be answered later here.

======================== ==========================================================================
``join``                 is awaited
``send``                 is done at once, or raises at once; or gives a `PendingSend`
``leave``, ``refuse``    have no answer
``member`` and the like  tell of the rooms in which this server has members, which an engine knows
                         without asking: whoever is in a room is told of all that happens there
======================== ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

from .hub import Mailbox, MailboxFull, Member, NoSuchMember, Relayed

SendFailure: TypeAlias = NoSuchMember | MailboxFull


class PendingSend:
    """A message of which it is not known yet whether it has its place."""

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


class HubEngine(Protocol):
    """What the dialects ask of it."""

    async def join(
        self,
        name: str,
        mailbox: Mailbox,
        room: str = ...,
        on_removed: Callable[[Member], None] = ...,
        protocol: str = ...,
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

        Raises:
            HubFull: there are too many members, or rooms.
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

    def refuse(self, member: Member, sender: int, number: int) -> None:
        """Tell a sender that there was no place for its message with this number after all."""

    def watch(self, watcher: Callable[[Member], None]) -> None:
        """Have this called with each member that has joined. It must not call the engine."""

    def member(self, id: int) -> Member | None:  # noqa: A002
        """The member with this id, if it is present."""

    def named(self, name: str, room: str = ...) -> Member | None:
        """The member of a room with this name; of several, the one who came last."""

    def others(self, member: Member) -> Iterator[Member]:
        """Who else is in the room, in the order in which they came."""
