"""The hub of a cluster: `HubEngine` for members whose rooms and mail are kept in Redis. No I/O.

It says what Redis is to do (`take_batch`) and is told what came of that (`replied`) and what other
servers have done (`pushed`). Redis does one batch after another, and tells of all in the order in
which it was done: so what is told is put in as it comes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from ...wire.close_codes import CloseCode
from ..counters import Statistics
from ..hub.hub import DEFAULT_ROOM, Member
from ..hub.mail import (
    HubFull,
    KeyTaken,
    Mailbox,
    MailboxFull,
    NoSuchMember,
    PendingSend,
    Relayed,
    SenderElsewhere,
    SendFailure,
)
from ..hub.memory import Account
from ..hub.portable import Found, Portable
from ..limits import ServerLimits
from .cluster_members import ClusterMembers
from .entries import (
    Foreign,
    decode_name,
    encode_message,
    encode_name,
    encode_own,
)
from .local_members import LocalMember
from .operations import FENCED, MAILBOX_FULL, SEQUENCE_GAP, UNKNOWN_PEER, Operation
from .replicas import read_member, read_room, remote_member

logger = logging.getLogger("trio_rtc.server")

_ROOM_FULL: Final = b"full"
_KEY_TAKEN: Final = b"taken"
_LOST: Final = b"lost"


def _nothing(_: Member) -> None:
    pass


class ClusterHub:
    """All rooms of a cluster, as one of its servers knows them.

    Args:
        account: counts what waits for Redis.
        members: those of this server.
    """

    def __init__(
        self,
        limits: ServerLimits,
        statistics: Statistics,
        account: Account,
        members: ClusterMembers,
    ):
        self._limits = limits
        self._statistics = statistics
        self._account = account
        self._members = members
        self._joining = 0

    def leave(self, member: Member) -> None:
        """As `HubEngine.leave`."""
        self._members.leave(member)

    async def join(
        self,
        name: str,
        mailbox: Mailbox,
        room: str = DEFAULT_ROOM,
        on_removed: Callable[[Member], None] = _nothing,
        protocol: str = "",
        portable: Portable | None = None,
    ) -> Member:
        """As `HubEngine.join`."""
        if len(self._members) + self._joining >= self._limits.peers:
            raise HubFull("peers")
        if room not in self._members.replicas and len(self._members.replicas) >= self._limits.rooms:
            raise HubFull("rooms")
        portable = portable or Portable(b"", b"", 0)
        linger = f"{portable.linger_seconds:g}"
        asked: list[bytes | str | int] = [protocol, encode_name(name), encode_name(room)]
        asked += [portable.key, portable.state]
        self._joining += 1
        try:
            while True:
                joined: list[LocalMember] = []
                take_in = partial(self._joined, joined, room, mailbox, protocol)
                answer = await self._members.ask("j", *asked, linger, then=take_in, undo=joined)
                if answer == FENCED or (joined and joined[0].id not in self._members):
                    # This server was none any more: by now it is one again.
                    continue
                if answer[0] == _ROOM_FULL:
                    raise HubFull("room_peers")
                if answer[0] == _KEY_TAKEN:
                    raise KeyTaken
                return self._members.hand_over(joined[0], on_removed)
        finally:
            self._joining -= 1

    def _joined(
        self,
        joined: list[LocalMember],
        room: str,
        mailbox: Mailbox,
        protocol: str,
        answer: Any,
    ) -> None:
        if answer == FENCED or answer[0] != b"ok":
            return
        _, id_, name, _, content = answer
        member = remote_member(id_, decode_name(name), room, protocol)
        local = LocalMember(member, mailbox, 1)
        self._members.add(local, content)
        joined.append(local)

    def send(self, sender: Member, message: Relayed, to: int) -> PendingSend:
        """As `HubEngine.send`; what has gone wrong is always told later."""
        local = self._members.local(sender)
        if local is None:
            pending = PendingSend()
            pending.settle(SenderElsewhere(to))
            return pending
        return self._send(local.id, local.epoch, message, to)

    def send_for(self, found: Found, message: Relayed, to: int) -> PendingSend:
        """As `HubEngine.send_for`."""
        return self._send(found.id, 0, message, to)

    def _send(self, sender: int, epoch: int, message: Relayed, to: int) -> PendingSend:
        pending = PendingSend()
        entry = encode_message(message)
        if not message.number and not self._account.allows(len(entry)):
            # Those with numbers are held back by their dialect.
            pending.settle(MailboxFull("memory_bytes"))
            return pending
        self._account.add(len(entry))
        sent = partial(self._sent, sender, message, len(entry), to, pending)
        self._members.submit(
            Operation("s", sender, epoch, message.number, to, entry, on_reply=sent)
        )
        return pending

    def _sent(
        self,
        sender: int,
        message: Relayed,
        size: int,
        to: int,
        pending: PendingSend,
        answer: int,
    ) -> None:
        self._account.add(-size)
        failure: SendFailure | None = None
        if answer in (FENCED, SEQUENCE_GAP):
            self._members.fenced(sender, answer)
            failure = SenderElsewhere(to) if answer == FENCED else NoSuchMember(to)
        elif answer in (UNKNOWN_PEER, MAILBOX_FULL):
            if answer == MAILBOX_FULL:
                self._statistics.over_limit["mailbox_messages"] += 1
            if not message.number:
                is_full = answer == MAILBOX_FULL
                failure = MailboxFull("mailbox_messages") if is_full else NoSuchMember(to)
        elif answer:
            self._statistics.messages += 1
            self._statistics.message_bytes += len(message.body)
        self._members.received(sender, message.number)
        self._members.settle(pending, failure)

    def refuse(
        self, member: Member, number: int, refused: Iterable[tuple[int, int]]
    ) -> PendingSend:
        """As `HubEngine.refuse`."""
        pending = PendingSend()
        if (local := self._members.local(member)) is None:
            pending.settle()
            return pending
        listed = " ".join(f"{sender} {of}" for sender, of in refused)

        def on_reply(answer: int) -> None:
            if answer in (FENCED, SEQUENCE_GAP):
                self._members.fenced(local.id, answer)
            self._members.received(local.id, number)
            self._members.settle(pending)

        self._members.submit(
            Operation("r", local.id, local.epoch, number, listed, on_reply=on_reply)
        )
        return pending

    def tell(self, member: Member, body: bytes) -> None:
        """As `HubEngine.tell`."""
        if (local := self._members.local(member)) is not None:
            self._members.submit_for(local, "o", encode_own(body))

    def acknowledge(self, member: Member, received: int) -> None:
        """As `HubEngine.acknowledge`; Redis is told with what it is told next."""
        if (local := self._members.local(member)) is not None:
            # A classic peer asks next wherever it likes, and its protocol has no numbers.
            self._members.reached(local, received, now=local.member.protocol == "classic")

    def note(self, member: Member, state: Callable[[], bytes]) -> None:
        """As `HubEngine.note`."""
        if (local := self._members.local(member)) is not None:
            self._members.submit_for(local, "n", state())

    async def claim(self, member: Member, state: Callable[[], bytes]) -> bool:
        """As `HubEngine.claim`."""
        if (local := self._members.local(member)) is None:
            return False
        look = self._members.look(local)
        await self._members.ask("n", local.id, local.epoch, state(), then=look)
        return self._members.local(member) is local

    async def find(self, protocol: str, key: bytes | int) -> Found | None:
        """As `HubEngine.find`."""
        by = b"k" + key if isinstance(key, bytes) else f"i{key}"
        while (answer := await self._members.ask("f", protocol, by)) == FENCED:
            pass
        if not answer:
            return None
        id_, name, room, epoch, state = answer
        return Found(id_, decode_name(name), decode_name(room), protocol, epoch, state)

    async def take(
        self,
        found: Found,
        state: bytes,
        mailbox: Mailbox,
        on_removed: Callable[[Member], None],
        received: int = 0,
    ) -> Member | None:
        """As `HubEngine.take`."""
        taken: list[LocalMember] = []
        then = partial(self._taken, taken, found, mailbox)
        asked = found.id, found.epoch, received, found.state, state
        answer = await self._members.ask("x", *asked, then=then, undo=taken)
        if not taken or taken[0].id not in self._members:
            return None
        local, entries = taken[0], answer[5]
        mailbox.restore(local.received, local.acknowledged)
        try:
            for entry in entries:
                local.put_entry(entry)
        except MailboxFull as full:
            self._members.over(local, full)
            return None
        except Foreign as foreign:
            self._members.foreign(local, foreign)
            return None
        return self._members.hand_over(local, on_removed)

    def _taken(self, taken: list[LocalMember], found: Found, mailbox: Mailbox, answer: Any) -> None:
        if answer == FENCED or answer[0] != b"ok":
            return
        if (before := self._members.get(found.id)) is not None:
            self._members.release(before, CloseCode.SUPERSEDED, stays=True)
        _, epoch, received, acknowledged, content, _ = answer
        member = remote_member(found.id, found.name, found.room, found.protocol)
        local = LocalMember(member, mailbox, epoch, acknowledged=acknowledged, received=received)
        self._members.add(local, content)
        taken.append(local)

    def watch(self, watcher: Callable[[Member], None]) -> None:
        """As `HubEngine.watch`."""
        self._members.replicas.watch(watcher)

    def member(self, id: int) -> Member | None:  # noqa: A002
        """As `HubEngine.member`."""
        return self._members.replicas.member(id)

    def named(self, name: str, room: str = DEFAULT_ROOM) -> Member | None:
        """As `HubEngine.named`."""
        return self._members.replicas.named(name, room)

    async def find_named(self, name: str, room: str) -> Member | None:
        """As `HubEngine.find_named`."""
        if room in self._members.replicas:
            return self.named(name, room)
        while (content := await self._members.ask("m", encode_name(room))) == FENCED:
            pass
        there = sorted(read_room(content)[1].items(), reverse=True)
        members = (read_member(id_, value, room) for id_, value in there)
        return next((member for member in members if member.name == name), None)

    def others(self, member: Member) -> Iterator[Member]:
        """As `HubEngine.others`."""
        local = self._members.local(member)
        if local is not None and local.others is not None:
            return iter(local.others)
        return iter(self._members.replicas.others(member))
