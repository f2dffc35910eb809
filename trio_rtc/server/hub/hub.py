"""Rooms and members in the memory of this process: who is there, and who hears what. No I/O.

The hub does not know how a member is connected. Whoever connects it gives it a mailbox, in
which the hub puts what is for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from ..counters import Statistics
from ..limits import ServerLimits
from ..scheduling.steps import Step, do_at_once
from .mail import (
    FULL,
    HubFull,
    KeyTaken,
    Mail,
    Mailbox,
    MailboxFull,
    NoSuchMember,
    OverLimit,
    PendingSend,
    Relayed,
)
from .portable import Found, Portable
from .presence import Presence, Room

__all__ = [
    "DEFAULT_ROOM",
    "Hub",
    "HubFull",
    "KeyTaken",
    "Mail",
    "Mailbox",
    "MailboxFull",
    "Member",
    "NoSuchMember",
    "OverLimit",
    "Relayed",
]

DEFAULT_ROOM = ""
"""The room of peers whose protocol knows none."""


#: How many notices are told at once: less than a millisecond's work.
_STEP: Final = 32


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
        portable: Portable | None = None,
    ) -> Member:
        """As `HubEngine.join`; it never waits, and nobody goes on elsewhere."""
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

    async def find_named(self, name: str, room: str) -> Member | None:
        """As `HubEngine.find_named`: all are here."""
        return self.named(name, room)

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

    def refuse(self, member: Member, number: int, refused: Iterable[tuple[int, int]]) -> None:
        """As `HubEngine.refuse`; it is done at once."""
        for sender, of in refused:
            if (other := self._members.get(sender)) is not None:
                self._put(other, partial(other._mailbox.put_failure, of, member.id, FULL))

    def tell(self, member: Member, body: bytes) -> None:
        """As `HubEngine.tell`."""
        if member.present:
            self._put(member, partial(member._mailbox.put_own, body))

    def _put(self, member: Member, put: Callable[[], None]) -> None:
        try:
            put()
        except MailboxFull as full:
            self._statistics.over_limit[full.limit] += 1
            self.leave(member)

    def acknowledge(self, member: Member, received: int) -> None:
        """As `HubEngine.acknowledge`: nothing is kept beside the mailbox."""

    def note(self, member: Member, state: Callable[[], bytes]) -> None:
        """As `HubEngine.note`: nobody goes on elsewhere."""

    async def claim(self, member: Member, state: Callable[[], bytes]) -> bool:
        """As `HubEngine.claim`: nobody goes on elsewhere."""
        return member.present

    async def find(self, protocol: str, key: bytes | int) -> Found | None:
        """As `HubEngine.find`: there is no other server."""
        return None

    async def take(
        self,
        found: Found,
        state: bytes,
        mailbox: Mailbox,
        on_removed: Callable[[Member], None],
        received: int = 0,
    ) -> Member | None:
        """As `HubEngine.take`: nobody is found."""
        return None

    def send_for(self, found: Found, message: Relayed, to: int) -> PendingSend:
        """As `HubEngine.send_for`: nobody is found."""
        raise NoSuchMember(to)
