"""Replicas of rooms: who is there, on whichever server, where this one has members. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from ..hub.hub import Member
from ..hub.mail import Mailbox, Relayed
from ..hub.presence import Presence
from .entries import Foreign, decode_entry, decode_name

logger = logging.getLogger("trio_rtc.server")


class _Elsewhere(Mailbox):
    """The mailbox of a member that may be on another server: its mail goes through Redis."""

    def put_message(self, message: Relayed) -> None:
        raise AssertionError("mail of others goes through Redis")

    def put_notice(self, notice: Presence) -> None:
        raise AssertionError("mail of others goes through Redis")

    def close(self, code: int | None = None) -> None:
        raise AssertionError("nobody closes it")


_ELSEWHERE = _Elsewhere()


def _nobody(_: Member) -> None:
    pass


def remote_member(id: int, name: str, room: str, protocol: str) -> Member:  # noqa: A002
    """A member as servers know it that may not have its mailbox."""
    return Member(id, name, room, _ELSEWHERE, _nobody, protocol)


def read_room(content: Sequence[bytes]) -> tuple[int, dict[int, bytes]]:
    """The version of a room, and what there is of its members, out of Redis' fields and values.

    What is nothing that a server has put there is left out.
    """
    there = dict(zip(content[::2], content[1::2], strict=True))
    version = there.pop(b"v", b"0")
    members: dict[int, bytes] = {}
    for id_, value in there.items():
        if id_.isdigit() and b"\0" in value:
            members[int(id_)] = value
        else:
            logger.error("a room in Redis has no member like %r: %r", id_[:40], value[:40])
    return int(version) if version.isdigit() else 0, members


def read_member(id_: int, value: bytes, room: str) -> Member:
    """A member out of what `read_room` has of it."""
    protocol, _, name = value.partition(b"\0")
    return remote_member(id_, decode_name(name), room, protocol.decode("latin-1"))


class _Replica:
    """A room.

    Attributes:
        version: counts who has come and gone; None if it is not known.
        used: how many members this server has in it.
    """

    def __init__(self) -> None:
        self.members: dict[int, Member] = {}
        self.version: int | None = None
        self.used = 0


class Replicas:
    """All of them.

    Args:
        refresh: called with a room whose present members have to be asked for.
    """

    def __init__(self, refresh: Callable[[str], None]):
        self._refresh = refresh
        self._rooms: dict[str, _Replica] = {}
        self._members: dict[int, Member] = {}
        self._named: dict[tuple[str, str], dict[int, Member]] = {}
        self._watchers: list[Callable[[Member], None]] = []

    def __len__(self) -> int:
        return len(self._rooms)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._rooms))

    def __contains__(self, room: str) -> bool:
        return room in self._rooms

    def watch(self, watcher: Callable[[Member], None]) -> None:
        """Have this called with each member that is new."""
        self._watchers.append(watcher)

    def member(self, id: int) -> Member | None:  # noqa: A002
        """The member with this id."""
        return self._members.get(id)

    def named(self, name: str, room: str) -> Member | None:
        """The member of a room with this name; of several, the one who came last."""
        namesakes = self._named.get((room, name))
        return None if namesakes is None else namesakes[max(namesakes)]

    def others(self, member: Member) -> list[Member]:
        """Who else is in a member's room, in the order in which they came."""
        replica = self._rooms.get(member.room)
        members = {} if replica is None else replica.members
        return [members[id_] for id_ in sorted(members) if id_ != member.id]

    def enter(self, member: Member, content: Sequence[bytes]) -> list[Member]:
        """A member of this server is in a room, of which this is the content; who else is there."""
        replica = self._rooms.setdefault(member.room, _Replica())
        replica.used += 1
        self._add(replica, member)
        self.refreshed(member.room, content)
        return self.others(member)

    def leave(self, member: Member, *, stays: bool) -> None:
        """It is not on this server any more; it may stay a member on another one."""
        replica = self._rooms[member.room]
        replica.used -= 1
        if stays:
            other = remote_member(member.id, member.name, member.room, member.protocol)
            self._replace(replica, other)
        else:
            self._remove(replica, member.id)
        if not replica.used:
            for id_ in list(replica.members):
                self._remove(replica, id_)
            del self._rooms[member.room]

    def refreshed(self, room: str, content: Sequence[bytes]) -> None:
        """A room is as these fields and values of Redis say."""
        if (replica := self._rooms.get(room)) is None:
            return
        version, there = read_room(content)
        if replica.version is not None and version < replica.version:
            # It was asked for before something else was told.
            return
        replica.version = version
        for id_ in replica.members.keys() - there.keys():
            self._remove(replica, id_)
        for id_ in sorted(there.keys() - replica.members.keys()):
            self._add(replica, read_member(id_, there[id_], room))

    def changed(self, room: str, version: int, entry: bytes) -> None:
        """Somebody has come into a room, or gone."""
        replica = self._rooms.get(room)
        if replica is None or replica.version is None or version <= replica.version:
            return
        if version != replica.version + 1:
            replica.version = None
            self._refresh(room)
            return
        replica.version = version
        presence = decode_entry(entry)
        if not isinstance(presence, Presence):
            raise Foreign(f"no presence: {entry[:40]!r}")
        if not presence.connected:
            self._remove(replica, presence.id)
        elif presence.id not in replica.members:
            member = remote_member(presence.id, presence.name, room, presence.protocol)
            self._add(replica, member)

    def forget_versions(self) -> None:
        """Something may have been missed: what follows is an answer to `refresh`."""
        for replica in self._rooms.values():
            replica.version = None

    def _add(self, replica: _Replica, member: Member) -> None:
        self._replace(replica, member)
        for watcher in self._watchers:
            watcher(member)

    def _replace(self, replica: _Replica, member: Member) -> None:
        replica.members[member.id] = self._members[member.id] = member
        self._named.setdefault((member.room, member.name), {})[member.id] = member

    def _remove(self, replica: _Replica, id_: int) -> None:
        member = replica.members.pop(id_, None)
        if member is None:
            return
        member.present = False
        del self._members[id_]
        namesakes = self._named[member.room, member.name]
        del namesakes[id_]
        if not namesakes:
            del self._named[member.room, member.name]
