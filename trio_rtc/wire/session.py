"""Session resumption over other connections: numbers, acknowledgement, replay. No I/O.

Each side has an `Outbox` for the numbered messages that it sends and an `Inbox` for those of
the other side. What is sent stays in the outbox until it is acknowledged; after a new
connection, whatever the other side does not have is sent again.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Final

ACK_MESSAGES: Final = 16
ACK_BYTES: Final = 64 * 1024
ACK_SECONDS: Final = 1.0
"""An acknowledgement may wait until so much has come, or for so long."""


class SessionFault(ValueError):
    """The other side breaks the rules of the numbers. Nothing can mend that."""


class Outbox:
    """Numbered messages on their way, counted from 1.

    Args:
        acknowledged: the number of the last one that has arrived of those sent elsewhere.

    Attributes:
        next: the number of the next one.
        acknowledged: that of the last one that has arrived, as far as is known.
        size: the bytes of those between.
    """

    __slots__ = ("_kept", "acknowledged", "next", "size")

    def __init__(self, acknowledged: int = 0) -> None:
        self._kept: deque[bytes] = deque()
        self.next = acknowledged + 1
        self.acknowledged = acknowledged
        self.size = 0

    def __len__(self) -> int:
        """How many messages wait for their acknowledgement."""
        return len(self._kept)

    def keep(self, message: bytes) -> None:
        """Keep the message that has the number `next`."""
        self._kept.append(message)
        self.next += 1
        self.size += len(message)

    def acknowledge(self, received: int) -> None:
        """Forget what has arrived. A number that was told before says nothing new.

        Raises:
            SessionFault: so much was never sent.
        """
        if received >= self.next:
            raise SessionFault(f"{received} is acknowledged, {self.next - 1} was sent last")
        while self.acknowledged < received:
            self.size -= len(self._kept.popleft())
            self.acknowledged += 1

    def clear(self) -> None:
        """Keep nothing of what was sent: nobody is there any more to take it."""
        self.acknowledge(self.next - 1)

    def __iter__(self) -> Iterator[bytes]:
        """What has not been acknowledged, in the order of the numbers."""
        return iter(self._kept)

    def __getitem__(self, number: int) -> bytes:
        """The message with this number, which has not been acknowledged."""
        return self._kept[number - self.acknowledged - 1]

    def replace(self, number: int, message: bytes) -> None:
        """Send something else in the place of a message that has not been acknowledged."""
        index = number - self.acknowledged - 1
        self.size += len(message) - len(self._kept[index])
        self._kept[index] = message

    def read(self, number: int, limit: int) -> list[bytes]:
        """The messages from this number on: the first, and others while they are within a size."""
        kept, first = self._kept, number - self.acknowledged - 1
        messages = [kept[first]]
        size = len(messages[0])
        for index in range(first + 1, len(kept)):
            message = kept[index]
            size += len(message)
            if size > limit:
                break
            messages.append(message)
        return messages


class Inbox:
    """The numbers of what has come, and of what is to be acknowledged of it.

    An acknowledgement covers all that came before, so that one message that is held leaves all
    later ones unacknowledged, too.

    Args:
        received: the last number that has come elsewhere, and is acknowledged.

    Attributes:
        received: the last number that has come.
        held_bytes: how much is held.
    """

    __slots__ = (
        "_bytes",
        "_held",
        "_repetitions",
        "_told",
        "_told_bytes",
        "held_bytes",
        "received",
    )

    def __init__(self, received: int = 0) -> None:
        self.received = received
        self.held_bytes = 0
        self._bytes = 0
        # By number: how many bytes had come before it, and its own. A server holds none.
        self._held: OrderedDict[int, tuple[int, int]] | None = None
        self._told = received
        self._told_bytes = self._repetitions = 0

    def take(self, seq: int, size: int, *, hold: bool = False) -> bool:
        """Whether a message with this number and size is new; otherwise it is a repetition.

        With ``hold`` it is not acknowledged before it is released.

        Raises:
            SessionFault: one before it is missing.
        """
        if seq > self.received + 1:
            raise SessionFault(f"{seq} comes after {self.received}")
        if seq <= self.received:
            # It is acknowledged too: its sender may not know that it has arrived.
            self._repetitions += 1
            return False
        self.received = seq
        self._bytes += size
        if hold:
            self.hold(seq, size)
        return True

    def hold(self, seq: int, size: int) -> None:
        """Do not acknowledge the message that has come last before it is released."""
        if self._held is None:
            self._held = OrderedDict()
        self._held[seq] = self._bytes - size, size
        self.held_bytes += size

    def release(self, seq: int) -> None:
        """Acknowledge a message that was held."""
        assert self._held is not None
        self.held_bytes -= self._held.pop(seq)[1]

    @property
    def held(self) -> int:
        """How many messages are held."""
        return len(self._held or ())

    def since(self, seq: int) -> tuple[int, int]:
        """How many messages and bytes have come since one that is held, itself included."""
        assert self._held is not None
        return self.received - seq + 1, self._bytes - self._held[seq][0]

    @property
    def ack_pending(self) -> bool:
        """Whether there is something to acknowledge."""
        return self._repetitions > 0 or self._acceptable()[0] > self._told

    @property
    def ack_due(self) -> bool:
        """Whether that is so much that it is to be acknowledged at once."""
        # Looked at with each message, and a server holds none.
        received, size = self.received, self._bytes
        if self._held:
            received, size = self._acceptable()
        return (
            received - self._told + self._repetitions >= ACK_MESSAGES
            or size - self._told_bytes >= ACK_BYTES
        )

    def _acceptable(self) -> tuple[int, int]:
        """Up to which number, and how many bytes, nothing is held."""
        if not self._held:
            return self.received, self._bytes
        seq, (before, _) = next(iter(self._held.items()))
        return seq - 1, before

    def acknowledged(self) -> int:
        """What to acknowledge; it has been, from now on."""
        self._told, self._told_bytes = self._acceptable()
        self._repetitions = 0
        return self._told
