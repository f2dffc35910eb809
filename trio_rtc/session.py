"""What makes a session outlive its connections: numbers, acknowledgement, replay. No I/O.

Each side has an `Outbox` for the numbered messages that it sends and an `Inbox` for those of
the other side. What is sent stays in the outbox until it is acknowledged; after a new
connection, whatever the other side does not have is sent again.
"""

from __future__ import annotations

from collections import deque
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

    Attributes:
        acknowledged: the number of the last one that has arrived, as far as is known.
        size: the bytes of the others.
    """

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque()
        self.acknowledged = 0
        self.size = 0

    def __len__(self) -> int:
        """How many messages wait for their acknowledgement."""
        return len(self._kept)

    @property
    def next(self) -> int:
        """The number of the next message."""
        return self.acknowledged + len(self._kept) + 1

    def keep(self, message: bytes) -> None:
        """Keep the message that has the number `next`."""
        self._kept.append(message)
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

    def __iter__(self) -> Iterator[bytes]:
        """What has not been acknowledged, in the order of the numbers."""
        return iter(self._kept)


class Inbox:
    """The numbers of what has come.

    Attributes:
        received: the last one.
    """

    def __init__(self) -> None:
        self.received = 0
        self._messages = 0
        self._bytes = 0

    def take(self, seq: int, size: int) -> bool:
        """Whether a message with this number and size is new; otherwise it is a repetition.

        Raises:
            SessionFault: one before it is missing.
        """
        if seq > self.received + 1:
            raise SessionFault(f"{seq} comes after {self.received}")
        # A repetition is acknowledged too: its sender may not know that it has arrived.
        self._messages += 1
        self._bytes += size
        if seq <= self.received:
            return False
        self.received = seq
        return True

    @property
    def ack_pending(self) -> bool:
        """Whether something has come that is not acknowledged."""
        return self._messages > 0

    @property
    def ack_due(self) -> bool:
        """Whether so much has come that it is to be acknowledged at once."""
        return self._messages >= ACK_MESSAGES or self._bytes >= ACK_BYTES

    def acknowledged(self) -> int:
        """What to acknowledge; it has been, from now on."""
        self._messages = self._bytes = 0
        return self.received
