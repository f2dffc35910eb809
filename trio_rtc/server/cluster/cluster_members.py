"""The members of this server in a cluster, kept as Redis has them. No I/O.

What Redis is to do is asked here, and what it has done is told: it does one batch after another,
and tells of all in the order in which it was done. So what is told is put in as it comes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from ...wire.close_codes import CloseCode
from ..counters import Statistics
from ..hub.hub import Member
from ..hub.mail import MailboxFull, PendingSend, SendFailure
from ..scheduling.steps import Step
from .entries import (
    DepartedItem,
    EntryItem,
    Foreign,
    MovedItem,
    RoomItem,
    decode_items,
    encode_name,
)
from .local_members import LocalMember
from .operations import ACKNOWLEDGE, FENCED, SEQUENCE_GAP, Batches, Operation
from .replicas import Replicas

logger = logging.getLogger("trio_rtc.server")

_LOST: Final = b"lost"


class AnswerEvent(Protocol):
    """What somebody waits for; as `trio.Event`."""

    def set(self) -> None: ...
    async def wait(self) -> Any: ...


class ClusterMembers:
    """All members of a server, and the rooms in which they are.

    Args:
        do: has something done soon, but not at once.
        new_event: makes an event for who waits for an answer; `trio.Event`.
        on_work: called when there is something for Redis to do.

    Attributes:
        replicas: of the rooms.
    """

    def __init__(
        self,
        statistics: Statistics,
        do: Callable[[Step], None],
        new_event: Callable[[], AnswerEvent],
        on_work: Callable[[], None],
    ):
        self._statistics = statistics
        self._do = do
        self._new_event = new_event
        self._on_work = on_work
        self._batches = Batches()
        self.replicas = Replicas(self._refresh)
        self._locals: dict[int, LocalMember] = {}
        # Whose mail may have reached it, without Redis knowing.
        self._to_acknowledge: dict[int, LocalMember] = {}
        self._is_urgent = False
        self._settled: list[tuple[PendingSend, SendFailure | None]] = []

    def __contains__(self, id: int) -> bool:  # noqa: A002
        return id in self._locals

    def __len__(self) -> int:
        return len(self._locals)

    def get(self, id: int) -> LocalMember | None:  # noqa: A002
        """The member with this id."""
        return self._locals.get(id)

    def local(self, member: Member) -> LocalMember | None:
        """A member of this server as it is kept here, if it still is."""
        local = self._locals.get(member.id)
        return local if local is not None and local.member is member else None

    def add(self, local: LocalMember, content: Sequence[bytes]) -> None:
        self._locals[local.id] = local
        local.others = self.replicas.enter(local.member, content)
        self._statistics.rooms = len(self.replicas)

    def hand_over(self, local: LocalMember, on_removed: Callable[[Member], None]) -> Member:
        local.on_removed = on_removed
        # Whoever has asked first tells what there was; what has come since follows that.
        self._do(partial(self._open, local))
        return local.member

    def _open(self, local: LocalMember) -> bool:
        if self._locals.get(local.id) is local:
            local.is_open, local.others = True, None
            self._put(local)
        return False

    def leave(self, member: Member) -> None:
        """As `HubEngine.leave`."""
        if (local := self.local(member)) is not None:
            self.submit(Operation("l", local.id, local.epoch))
            self.release(local)

    # What Redis is asked, and what it tells.

    def take_batch(self) -> tuple[int, list[bytes | str | int]]:
        """The number of the next batch, and its operations; none if there is nothing to do."""
        if not self._batches.is_on_its_way and (len(self._batches) or self._is_urgent):
            self._add_acknowledgements()
        taken = self._batches.take()
        words: list[bytes | str | int] = []
        for operation in taken:
            words.append(operation.name)
            words += operation.arguments
        self._statistics.cluster_operations += len(taken)
        return self._batches.number, words

    def _add_acknowledgements(self) -> None:
        operations: list[Operation] = []
        for local in self._to_acknowledge.values():
            is_here = self._locals.get(local.id) is local
            if is_here and (reached := local.take_acknowledgement()) is not None:
                operations.append(Operation(ACKNOWLEDGE, local.id, local.epoch, *reached))
        self._to_acknowledge.clear()
        self._is_urgent = False
        # What is behind them may be that one of these leaves.
        self._batches.add_first(operations)

    def replied(self, replies: Sequence[Any], items: bytes) -> None:
        """The batch on its way is done.

        Raises:
            Foreign: the answer is nothing that a server has put there.
        """
        for operation, answer in zip(self._batches.done(), replies, strict=True):
            operation.reply(answer)
        self.pushed(items)
        self._settle()

    def refused(self) -> None:
        """The batch on its way came to Redis when this server was none any more."""
        for operation in self._batches.done():
            operation.reply(FENCED)
        self._settle()

    def put_back(self) -> None:
        """Redis is full, and has not done the batch on its way."""
        self._add_acknowledgements()
        self._batches.put_back()

    def settle(self, pending: PendingSend, failure: SendFailure | None = None) -> None:
        """The outcome of a message is known; it is told after what comes with it."""
        self._settled.append((pending, failure))

    def reached(self, local: LocalMember, number: int, *, now: bool = False) -> None:
        """The mail of a member up to this number has reached it; Redis is told by and by."""
        local.reached(number)
        self._to_acknowledge[local.id] = local
        if now:
            self._is_urgent = True
            self._on_work()

    def _settle(self) -> None:
        settled, self._settled = self._settled, []
        for pending, failure in settled:
            pending.settle(failure)

    def pushed(self, items: bytes) -> None:
        """Something has been done that concerns members of this server.

        Raises:
            Foreign: it is nothing that a server tells.
        """
        for item in decode_items(items):
            if isinstance(item, EntryItem):
                for id_, number in item.numbers:
                    if (local := self._locals.get(id_)) is not None:
                        self._put(local, number, item.entry)
            elif isinstance(item, RoomItem):
                self.replicas.changed(item.room, item.version, item.entry)
            elif isinstance(item, MovedItem):
                local = self._locals.get(item.id)
                if local is not None and local.epoch < item.epoch:
                    self.release(local, CloseCode.SUPERSEDED, stays=True)
            elif isinstance(item, DepartedItem) and item.id in self._locals:
                self.release(self._locals[item.id])

    def _put(self, local: LocalMember, number: int = 0, entry: bytes = b"") -> None:
        try:
            is_missing = local.add(number, entry) if number else not local.put()
        except MailboxFull as full:
            self.over(local, full)
            return
        except Foreign as foreign:
            self.foreign(local, foreign)
            return
        if number and is_missing:
            self._sync(local)
        if not local.mailbox.acknowledges:
            self._to_acknowledge[local.id] = local

    def foreign(self, local: LocalMember, foreign: Foreign) -> None:
        """Its mail is not what servers have put there: it is told so, and cannot go on."""
        logger.error("mail in Redis: %s", foreign, extra={"peer": local.id})
        self.submit(Operation("l", local.id, local.epoch))
        self._lost(local)

    def over(self, local: LocalMember, full: MailboxFull) -> None:
        """There is no place for what Redis had a place for: it cannot be put off, but told."""
        self._statistics.over_limit[full.limit] += 1
        self.leave(local.member)

    def greeted(self, owned: Iterable[int], *, is_known: bool) -> bool:
        """Redis has been asked who this server is; whether it is one still.

        Args:
            owned: the sessions that are its own.
            is_known: whether it was known.
        """
        if not is_known:
            for local in list(self._locals.values()):
                # Each goes on with whichever server, and there it is found, or told to be lost.
                self.release(local, CloseCode.GOING_AWAY, stays=True)
            self.refused()
            return False
        operations: list[Operation] = []
        for local in self._locals.values():
            operations.append(self._syncing(local))
        operations.append(Operation("t", on_reply=partial(self._tidy, set(owned))))
        self.replicas.forget_versions()
        operations += [self._refreshing(room) for room in self.replicas]
        self._batches.add_first(operations)
        return True

    def _tidy(self, owned: set[int], answer: Any) -> None:
        """Have those leave who are this server's to Redis only: that they left was forgotten."""
        if answer != FENCED:
            for id_ in owned - self._locals.keys():
                self.submit(Operation("l", id_, 0))

    def tick(self, on_reply: Callable[[Any], None]) -> None:
        """Renew the lease of this server, before all else."""
        self._batches.add_first([Operation("t", on_reply=on_reply)])
        self._on_work()

    def go(self) -> None:
        """The server goes: its members may go on elsewhere."""
        self._batches.add(Operation("d", on_reply=lambda more: self.go() if more == 1 else None))
        self._on_work()

    @property
    def is_idle(self) -> bool:
        """Whether Redis has done all that it was asked."""
        return not len(self._batches)

    def _sync(self, local: LocalMember) -> None:
        if not local.is_syncing:
            self.submit(self._syncing(local))

    def _syncing(self, local: LocalMember) -> Operation:
        local.is_syncing = True
        top = local.next - 1
        on_reply = partial(self._synced, local, top)
        return Operation("y", local.id, local.epoch, top, local.received, on_reply=on_reply)

    def _synced(self, local: LocalMember, top: int, answer: Any) -> None:
        local.is_syncing = False
        if self._locals.get(local.id) is not local:
            return
        if answer == FENCED or answer[0] == b"fenced":
            self.fenced(local.id, FENCED)
        elif answer[0] == _LOST:
            self._lost(local)
        else:
            for number, entry in enumerate(answer[1], top + 1):
                if self._locals.get(local.id) is local:
                    self._put(local, number, entry)

    def _lost(self, local: LocalMember) -> None:
        """Redis has forgotten something of it: that cannot be mended, but told."""
        self._statistics.cluster_lost += 1
        logger.warning("session lost", extra={"peer": local.id, "room": local.member.room})
        self.release(local, CloseCode.SESSION_LOST)

    def _refresh(self, room: str) -> None:
        self.submit(self._refreshing(room))

    def _refreshing(self, room: str) -> Operation:
        def on_reply(answer: Any) -> None:
            if answer != FENCED:
                self.replicas.refreshed(room, answer)

        return Operation("m", encode_name(room), on_reply=on_reply)

    def fenced(self, id_: int, answer: int) -> None:
        """What somebody has said was not taken: it is somebody else's, or was forgotten."""
        if (local := self._locals.get(id_)) is None:
            return
        if answer == SEQUENCE_GAP:
            self.submit(Operation("l", local.id, local.epoch))
            self._lost(local)
            return
        self._statistics.cluster_fenced += 1
        self.release(local, CloseCode.GOING_AWAY, stays=True)

    def submit_for(self, local: LocalMember, name: str, what: bytes) -> None:
        """Have something done for a member that nobody waits for."""
        look = self.look(local)
        self.submit(Operation(name, local.id, local.epoch, what, on_reply=look))

    def look(self, local: LocalMember) -> Callable[[int], None]:
        """Takes the answer to what was said for a member: whether it is this server's still."""

        def on_reply(answer: int) -> None:
            if answer == FENCED and self._locals.get(local.id) is local:
                self.fenced(local.id, FENCED)

        return on_reply

    def received(self, id_: int, number: int) -> None:
        if number and (local := self._locals.get(id_)) is not None:
            local.received = max(local.received, number)

    def release(self, local: LocalMember, code: int | None = None, *, stays: bool = False) -> None:
        """A member is not on this server any more."""
        del self._locals[local.id]
        local.member.present = False
        self.replicas.leave(local.member, stays=stays)
        self._statistics.rooms = len(self.replicas)
        if local.on_removed is not None:
            # Nobody has it yet otherwise.
            local.on_removed(local.member)
            local.mailbox.close(code)

    def submit(self, operation: Operation) -> None:
        self._batches.add(operation)
        self._on_work()

    async def ask(
        self,
        name: str,
        *arguments: bytes | str | int,
        then: Callable[[Any], None] | None = None,
        undo: Sequence[LocalMember] = (),
    ) -> Any:
        """Have something done, and wait for the answer.

        Args:
            name: what.
            arguments: its own.
            then: called with the answer at once.
            undo: the members that this makes, who leave again if nobody waits any more.
        """
        answers: list[Any] = []
        event = self._new_event()
        is_given_up = False

        def on_reply(answer: Any) -> None:
            answers.append(answer)
            if then is not None:
                then(answer)
            event.set()
            if is_given_up:
                give_up()

        def give_up() -> None:
            for local in undo:
                self.leave(local.member)

        operation = Operation(name, *arguments, on_reply=on_reply)
        self.submit(operation)
        try:
            await event.wait()
        except BaseException:
            is_given_up = True
            if not answers:
                self._batches.remove(operation)
            give_up()
            raise
        return answers[0]
