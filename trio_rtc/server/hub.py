"""Rooms and members: who is there, and who hears what. No I/O.

The hub does not know how a member is connected. Whoever connects it gives it a mailbox, in
which the hub puts what is for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec

from .limits import ServerLimits
from .statistics import Statistics

DEFAULT_ROOM = ""
"""The room of peers whose protocol knows none."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A notice: another member of the room is there, or not any more."""

    id: int
    name: str
    connected: bool


class Relayed(msgspec.Struct, frozen=True, gc=False):
    """A message of another member, as it was sent.

    ``number`` is the sender's own for it, if its protocol has numbers.
    """

    sender: int
    body: bytes
    number: int = 0


Mail: TypeAlias = Presence | Relayed


class NoSuchMember(LookupError):
    """No member of this room has this id."""


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


class Mailbox(Protocol):
    """Where a member's mail goes. No method may call the hub."""

    def put_message(self, message: Relayed) -> None:
        """Take in a message, or raise `MailboxFull`: then its sender is told."""

    def put_notice(self, notice: Presence) -> None:
        """Take in a notice, or raise `MailboxFull`: then the member is removed."""

    def close(self) -> None:
        """The member has been removed."""


class Member:
    """Somebody who is signed in.

    Attributes:
        id: counted up from 1 in the whole server.
        present: whether it still is.
    """

    __slots__ = ("_mailbox", "id", "name", "present", "room")

    def __init__(self, id: int, name: str, room: str, mailbox: Mailbox):  # noqa: A002
        self.id = id
        self.name = name
        self.room = room
        self.present = True
        self._mailbox = mailbox


class Hub:
    """All rooms of a server."""

    def __init__(self, limits: ServerLimits, statistics: Statistics):
        self._limits = limits
        self._statistics = statistics
        self._rooms: dict[str, dict[int, Member]] = {}
        self._members: dict[int, Member] = {}
        self._named: dict[tuple[str, str], dict[int, Member]] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._members)

    def join(self, name: str, mailbox: Mailbox, room: str = DEFAULT_ROOM) -> Member:
        """Add a member; those who are in the room hear of it.

        Args:
            name: what it is to be called; ``peer_ID`` if it is empty.
            mailbox: where its mail goes.
            room: which room; it comes to be with its first member.

        Raises:
            HubFull: there are too many members, or rooms.
        """
        if len(self._members) >= self._limits.peers:
            raise HubFull("peers")
        if room not in self._rooms and len(self._rooms) >= self._limits.rooms:
            raise HubFull("rooms")
        self._last_id += 1
        member = Member(self._last_id, name or f"peer_{self._last_id}", room, mailbox)
        self._notify(room, Presence(member.id, member.name, connected=True))
        # The last of the others may just have been removed, and the room with it.
        self._rooms.setdefault(room, {})[member.id] = member
        self._members[member.id] = member
        self._named.setdefault((room, member.name), {})[member.id] = member
        self._statistics.rooms = len(self._rooms)
        return member

    def leave(self, member: Member) -> None:
        """Remove a member; those who stay in the room hear of it."""
        if member.present:
            self._remove(member)
            self._notify(member.room, Presence(member.id, member.name, connected=False))

    def _remove(self, member: Member) -> None:
        member.present = False
        others = self._rooms[member.room]
        del others[member.id], self._members[member.id]
        namesakes = self._named[member.room, member.name]
        del namesakes[member.id]
        if not namesakes:
            del self._named[member.room, member.name]
        if not others:
            del self._rooms[member.room]
        self._statistics.rooms = len(self._rooms)
        member._mailbox.close()

    def _notify(self, room: str, notice: Presence) -> None:
        """Tell a room. Whoever has no place for a notice is removed, which is a notice again."""
        notices = deque([notice])
        while notices:
            notice = notices.popleft()
            for member in list(self._rooms.get(room, {}).values()):
                try:
                    member._mailbox.put_notice(notice)
                except MailboxFull as full:
                    # A notice cannot be refused to anybody, and one that is lost would mislead.
                    self._statistics.over_limit[full.limit] += 1
                    self._remove(member)
                    notices.append(Presence(member.id, member.name, connected=False))

    def member(self, id: int) -> Member | None:  # noqa: A002
        """The member with this id, if it is present."""
        return self._members.get(id)

    def named(self, name: str, room: str = DEFAULT_ROOM) -> Member | None:
        """The member of a room with this name; of several, the one who came last."""
        namesakes = self._named.get((room, name))
        return None if namesakes is None else next(reversed(namesakes.values()))

    def others(self, member: Member) -> Iterator[Member]:
        """Who else is in the room, in the order in which they came."""
        return (other for other in self._rooms[member.room].values() if other is not member)

    def send(self, sender: Member, message: Relayed, to: int) -> None:
        """Put a message into the mailbox of a member of the sender's room.

        Raises:
            NoSuchMember: the room has no such member.
            MailboxFull: too much waits there.
        """
        receiver = self._rooms[sender.room].get(to) if sender.present else None
        if receiver is None:
            raise NoSuchMember(to)
        try:
            receiver._mailbox.put_message(message)
        except MailboxFull as full:
            self._statistics.over_limit[full.limit] += 1
            raise
        self._statistics.messages += 1
        self._statistics.message_bytes += len(message.body)
