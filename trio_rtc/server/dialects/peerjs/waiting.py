"""Messages for PeerJS ids that nobody has yet. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ....wire.peerjs import Envelope
from ...hub.expiry import Expiry
from ...hub.hub import MailboxFull
from ...hub.memory import OVERHEAD, Account, Memory
from ...limits import ServerLimits

Address: TypeAlias = tuple[str, str]
"""A room, and an id in it."""


#: Each has an envelope, and mostly an address of its own.
_OVERHEAD: Final = 10 * OVERHEAD


@dataclass(slots=True)
class _WaitingSender:
    """What waits of one sender. It counts against that one, whoever it is for."""

    account: Account
    messages: dict[Address, list[tuple[Envelope, int]]] = field(default_factory=dict)
    count: int = 0
    size: int = 0


class WaitingRoom:
    """Keeps messages for those who may be about to come.

    Args:
        seconds: how long the first message of a sender to somebody waits, and with it all that
            follow.
    """

    def __init__(self, limits: ServerLimits, memory: Memory, seconds: float):
        self._limits = limits
        self._memory = memory
        self._senders: dict[int, _WaitingSender] = {}
        self._awaited: dict[Address, dict[int, None]] = {}
        self._expiry: Expiry[tuple[int, Address]] = Expiry(seconds)

    def __len__(self) -> int:
        """How many messages wait."""
        return sum(sender.count for sender in self._senders.values())

    def awaits(self, address: Address) -> bool:
        """Whether something waits for this address."""
        return address in self._awaited

    def waits(self, sender: int, address: Address) -> bool:
        """Whether something of this sender waits for this address."""
        return (sender, address) in self._expiry

    def add(self, sender: int, address: Address, envelope: Envelope, size: int, now: float) -> None:
        """Keep a message.

        Raises:
            MailboxFull: too much of this sender waits already.
        """
        mine = self._senders.get(sender) or _WaitingSender(self._memory.open())
        if mine.count >= self._limits.mailbox_messages:
            raise MailboxFull("mailbox_messages")
        if mine.size + size > self._limits.mailbox_bytes:
            raise MailboxFull("mailbox_bytes")
        if not mine.account.take(size + _OVERHEAD):
            raise MailboxFull("memory_bytes")
        self._senders[sender] = mine
        if address not in mine.messages:
            mine.messages[address] = []
            self._awaited.setdefault(address, {})[sender] = None
            self._expiry.begin((sender, address), now)
        mine.messages[address].append((envelope, size))
        mine.count += 1
        mine.size += size

    def take(self, address: Address) -> tuple[int, list[Envelope]] | None:
        """Take out what one sender has waiting for an address."""
        for sender in self._awaited.get(address, ()):
            return sender, self._remove(sender, address)
        return None

    def due(self, now: float) -> Iterator[tuple[int, Address]]:
        """Give up what has waited for too long: who was waiting, and for whom."""
        for sender, address in self._expiry.due(now):
            self._remove(sender, address)
            yield sender, address

    def forget(self, sender: int) -> None:
        """Drop what waits of somebody who has gone."""
        if (mine := self._senders.get(sender)) is not None:
            for address in list(mine.messages):
                self._remove(sender, address)

    def _remove(self, sender: int, address: Address) -> list[Envelope]:
        mine = self._senders[sender]
        kept = mine.messages.pop(address)
        mine.count -= len(kept)
        size = sum(size for _, size in kept)
        mine.size -= size
        mine.account.add(-size - _OVERHEAD * len(kept))
        if not mine.messages:
            del self._senders[sender]
        self._expiry.end((sender, address))
        del self._awaited[address][sender]
        if not self._awaited[address]:
            del self._awaited[address]
        return [envelope for envelope, _ in kept]
