"""Rooms and members in the memory of this process: who is there, and who hears what. No I/O.

The hub does not know how a member is connected. Whoever connects it gives it a mailbox, in
which the hub puts what is for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeAlias

import msgspec

from ..chores import Step, do_at_once
from ..counters import Statistics
from ..limits import ServerLimits
from .presence import Presence, Room

DEFAULT_ROOM = ""
"""The room of peers whose protocol knows none."""


#: How many notices are told at once: less than a millisecond's work.
_STEP: Final = 32


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

    def put_refusal(self, number: int, to: int) -> None:
        """Note that this member had no place for a message; `MailboxFull` as for a notice.

        Only those are told whose messages have numbers.
        """
        return

    def close(self) -> None:
        """The member has been removed."""


class Member:
    """Somebody who is signed in.

    Attributes:
        id: counted up from 1 in the whole server.
        present: whether it still is.
        noticed: how much it has heard of who came and went in its room.
        entry: what lists of members say of it, once somebody has put that into bytes.
        protocol: which one it speaks.
    """

    __slots__ = (
        "_mailbox",
        "_on_removed",
        "entry",
        "id",
        "name",
        "noticed",
        "present",
        "protocol",
        "room",
    )

    def __init__(
        self,
        id: int,  # noqa: A002
        name: str,
        room: str,
        mailbox: Mailbox,
        on_removed: Callable[[Member], None],
        protocol: str,
    ):
        self.id = id
        self.name = name
        self.room = room
        self.present = True
        self.noticed = 0
        self.entry = b""
        self._mailbox = mailbox
        self._on_removed = on_removed
        self.protocol = protocol


def _nothing(_: object) -> None:
    pass


class Hub:
    """All rooms of a server.

    Args:
        do: has something done in steps; it is called when a room is too large to be told of
            somebody at once.
    """

    def __init__(
        self,
        limits: ServerLimits,
        statistics: Statistics,
        do: Callable[[Step], None] = do_at_once,
    ):
        self._limits = limits
        self._statistics = statistics
        self._do = do
        self._rooms: dict[str, Room[Member]] = {}
        self._behind: dict[str, None] = {}
        self._watchers: list[Callable[[Member], None]] = []
        self._members: dict[int, Member] = {}
        self._named: dict[tuple[str, str], dict[int, Member]] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._members)

    async def join(
        self,
        name: str,
        mailbox: Mailbox,
        room: str = DEFAULT_ROOM,
        on_removed: Callable[[Member], None] = _nothing,
        protocol: str = "",
    ) -> Member:
        """As `HubEngine.join`; it never waits."""
        if len(self._members) >= self._limits.peers:
            raise HubFull("peers")
        if room not in self._rooms and len(self._rooms) >= self._limits.rooms:
            raise HubFull("rooms")
        self._last_id += 1
        member = Member(
            self._last_id, name or f"peer_{self._last_id}", room, mailbox, on_removed, protocol
        )
        self._notify(room, Presence(member.id, member.name, connected=True, protocol=protocol))
        # The last of the others may just have been removed, and the room with it.
        there = self._rooms.get(room) or self._rooms.setdefault(room, Room(self._put_notices))
        there.members[member.id] = member
        member.noticed = there.end
        self._members[member.id] = member
        self._named.setdefault((room, member.name), {})[member.id] = member
        self._statistics.rooms = len(self._rooms)
        for watcher in self._watchers:
            watcher(member)
        return member

    def watch(self, watcher: Callable[[Member], None]) -> None:
        """Have this called with each member that has joined. It must not call the hub."""
        self._watchers.append(watcher)

    def leave(self, member: Member) -> None:
        """Remove a member; those who stay in the room hear of it."""
        if member.present:
            self._remove(member)
            self._notify(member.room, Presence(member.id, member.name, connected=False))

    def _remove(self, member: Member) -> None:
        member.present = False
        others = self._rooms[member.room].members
        del others[member.id], self._members[member.id]
        namesakes = self._named[member.room, member.name]
        del namesakes[member.id]
        if not namesakes:
            del self._named[member.room, member.name]
        if not others:
            del self._rooms[member.room]
            self._behind.pop(member.room, None)
        self._statistics.rooms = len(self._rooms)
        member._on_removed(member)
        mailbox = member._mailbox
        # It knows the member: together they would have to be looked for by the garbage collector.
        del member._mailbox
        mailbox.close()

    def _notify(self, room: str, notice: Presence) -> None:
        """Tell a room: at once as far as it is small, and in steps that follow otherwise."""
        there = self._rooms.get(room)
        if there is None:
            return
        there.add(notice)
        if room not in self._behind:
            there.step(_STEP)
            if there.is_behind and there.members:
                self._behind[room] = None
                self._do(self._notify_rooms)

    def _notify_rooms(self) -> bool:
        """Tell some of those who are still to hear of somebody; whether there are others."""
        for room in list(self._behind)[:1]:
            there = self._rooms[room]
            there.step(_STEP)
            # The other rooms come first now.
            self._behind.pop(room, None)
            if there.is_behind and there.members:
                self._behind[room] = None
        return bool(self._behind)

    def _put_notices(self, member: Member, notices: list[Presence]) -> None:
        """Tell a member. If it has no place for a notice it is removed, which is a notice again."""
        try:
            for notice in notices:
                member._mailbox.put_notice(notice)
        except MailboxFull as full:
            # A notice cannot be refused to anybody, and one that is lost would mislead.
            self._statistics.over_limit[full.limit] += 1
            there = self._rooms[member.room]
            self._remove(member)
            there.add(Presence(member.id, member.name, connected=False))

    def member(self, id: int) -> Member | None:  # noqa: A002
        """The member with this id, if it is present."""
        return self._members.get(id)

    def named(self, name: str, room: str = DEFAULT_ROOM) -> Member | None:
        """The member of a room with this name; of several, the one who came last."""
        namesakes = self._named.get((room, name))
        return None if namesakes is None else next(reversed(namesakes.values()))

    def others(self, member: Member) -> Iterator[Member]:
        """Who else is in the room, in the order in which they came."""
        members = self._rooms[member.room].members
        return (other for other in members.values() if other is not member)

    def send(self, sender: Member, message: Relayed, to: int) -> None:
        """As `HubEngine.send`; it is done at once, or not at all."""
        room = self._rooms[sender.room] if sender.present else None
        receiver = None if room is None else room.members.get(to)
        if room is None or receiver is None:
            raise NoSuchMember(to)
        if receiver.noticed < room.end:
            # It is to know the sender by the time it hears from it.
            room.catch_up(receiver)
            if not receiver.present:
                raise NoSuchMember(to)
        try:
            receiver._mailbox.put_message(message)
        except MailboxFull as full:
            self._statistics.over_limit[full.limit] += 1
            raise
        self._statistics.messages += 1
        self._statistics.message_bytes += len(message.body)

    def refuse(self, member: Member, sender: int, number: int) -> None:
        """As `HubEngine.refuse`."""
        if (other := self._members.get(sender)) is not None:
            try:
                other._mailbox.put_refusal(number, member.id)
            except MailboxFull as full:
                self._statistics.over_limit[full.limit] += 1
                self.leave(other)
