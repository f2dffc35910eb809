"""Rooms, members and their mailboxes: who is there, and what waits for whom. No I/O.

The hub does not know how a member is connected. Whoever connects it hears through a callback
that there is mail, and fetches it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from .limits import ServerLimits

DEFAULT_ROOM = ""
"""The room of peers whose protocol knows none."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A notice: another member of the room is there, or not any more."""

    id: int
    name: str
    connected: bool


@dataclass(frozen=True, slots=True)
class Relayed:
    """A message of another member, as it was sent."""

    sender: int
    content_type: str
    body: bytes


Mail: TypeAlias = Presence | Relayed


class NoSuchMember(LookupError):
    """No member of this room has this id."""


class MailboxFull(Exception):
    """The receiver has not fetched what is there already."""


class Member:
    """Somebody who is signed in.

    Attributes:
        id: counted up from 1 in the whole server.
        present: whether it still is.
    """

    def __init__(self, id: int, name: str, room: str, now: float, on_mail: Callable[[], None]):  # noqa: A002
        self.id = id
        self.name = name
        self.room = room
        self.present = True
        self._on_mail = on_mail
        self._mail: deque[Mail] = deque()
        self._messages = 0
        self._bytes = 0
        self._taken = False
        self._held = 0
        self._last_seen = now


class Hub:
    """All rooms of a server."""

    def __init__(self, limits: ServerLimits):
        self._limits = limits
        self._rooms: dict[str, dict[int, Member]] = {}
        self._members: dict[int, Member] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._members)

    def join(
        self, name: str, now: float, on_mail: Callable[[], None], room: str = DEFAULT_ROOM
    ) -> Member:
        """Add a member; those who are in the room hear of it.

        Args:
            name: what it is to be called; ``peer_ID`` if it is empty.
            now: the time, in seconds.
            on_mail: called when something new waits, and when the member is not present any
                more. It must not call the hub.
            room: which room; it comes to be with its first member.
        """
        self._last_id += 1
        member = Member(self._last_id, name or f"peer_{self._last_id}", room, now, on_mail)
        self._notify(room, Presence(member.id, member.name, connected=True))
        # The last of the others may just have been removed, and the room with it.
        self._rooms.setdefault(room, {})[member.id] = member
        self._members[member.id] = member
        return member

    def leave(self, member: Member) -> None:
        """Remove a member; those who stay in the room hear of it."""
        if member.present:
            self._remove(member)
            self._notify(member.room, Presence(member.id, member.name, connected=False))

    def _remove(self, member: Member) -> None:
        member.present = False
        member._mail.clear()
        others = self._rooms[member.room]
        del others[member.id], self._members[member.id]
        if not others:
            del self._rooms[member.room]
        member._on_mail()

    def _notify(self, room: str, notice: Presence) -> None:
        """Tell a room. Whoever has no place for a notice is removed, which is a notice again."""
        notices = deque([notice])
        while notices:
            notice = notices.popleft()
            for member in list(self._rooms.get(room, {}).values()):
                # Messages do not count: nobody is to be removed for what others send to it.
                if len(member._mail) - member._messages >= self._limits.mailbox_messages:
                    # A notice cannot be refused to anybody, and one that is lost would mislead.
                    self._remove(member)
                    notices.append(Presence(member.id, member.name, connected=False))
                else:
                    member._mail.append(notice)
                    member._on_mail()

    def member(self, id: int) -> Member | None:  # noqa: A002
        """The member with this id, if it is present."""
        return self._members.get(id)

    def others(self, member: Member) -> Iterator[Member]:
        """Who else is in the room, in the order in which they came."""
        return (other for other in self._rooms[member.room].values() if other is not member)

    def send(self, sender: Member, to: int, content_type: str, body: bytes) -> None:
        """Put a message into the mailbox of another member of the sender's room.

        Raises:
            NoSuchMember: the room has no such member.
            MailboxFull: too much waits there.
        """
        receiver = self._rooms[sender.room].get(to) if sender.present else None
        if receiver is None:
            raise NoSuchMember(to)
        if (
            receiver._messages >= self._limits.mailbox_messages
            or receiver._bytes + len(body) > self._limits.mailbox_bytes
        ):
            raise MailboxFull(to)
        receiver._mail.append(Relayed(sender.id, content_type, body))
        receiver._messages += 1
        receiver._bytes += len(body)
        receiver._on_mail()

    def take(self, member: Member) -> Mail | None:
        """What has waited longest for a member; None if nothing waits, or something is taken.

        It stays in the mailbox until it is `delivered` or `put_back`. One at a time: if the
        next one went out while this one may still come back, they would change places.
        """
        if member._taken or not member._mail:
            return None
        member._taken = True
        return member._mail[0]

    def delivered(self, member: Member) -> None:
        """What was taken has reached the member."""
        member._taken = False
        if member.present:
            mail = member._mail.popleft()
            if isinstance(mail, Relayed):
                member._messages -= 1
                member._bytes -= len(mail.body)
            self._tell_of_rest(member)

    def put_back(self, member: Member) -> None:
        """Undo a `take` that did not reach the member: it comes next again."""
        member._taken = False
        if member.present:
            self._tell_of_rest(member)

    def _tell_of_rest(self, member: Member) -> None:
        if member._mail:
            member._on_mail()

    def hold(self, member: Member) -> None:
        """Keep a member while it is connected."""
        member._held += 1

    def release(self, member: Member, now: float) -> None:
        """Undo a `hold`: from now on the member counts as absent, unless it is held again."""
        member._held -= 1
        member._last_seen = now

    def expire(self, now: float) -> None:
        """Remove the members that have been absent for too long."""
        since = now - self._limits.absent_seconds
        for member in [m for m in self._members.values() if not m._held and m._last_seen < since]:
            self.leave(member)
