"""Operations that a server asks of Redis, and the batches in which it does. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

#: So many operations go at once: a script holds up all others for as long as it takes.
MOST: Final = 128
MOST_BYTES: Final = 512 * 1024

#: The operation after which Redis keeps less.
ACKNOWLEDGE: Final = "a"

FENCED: Final = -1
UNKNOWN_PEER: Final = -2
MAILBOX_FULL: Final = -3
SEQUENCE_GAP: Final = -5
"""Answers to operations that were not done."""


class Operation:
    """One that is to be done, or is done.

    Args:
        name: which one; see ``cluster.lua``.
        arguments: its own.
        on_reply: called with the answer; with `FENCED` if this server was none any more.
    """

    __slots__ = ("arguments", "name", "on_reply", "size")

    def __init__(
        self,
        name: str,
        *arguments: bytes | str | int,
        on_reply: Callable[[Any], None] | None = None,
    ):
        self.name = name
        self.arguments = arguments
        self.on_reply = on_reply
        self.size = sum(len(one) if isinstance(one, (bytes, str)) else 8 for one in arguments)

    def reply(self, answer: Any) -> None:
        """It is done, or refused."""
        if self.on_reply is not None:
            self.on_reply(answer)


class Batches:
    """Operations in the order in which they are asked for, in batches of which one is on its way.

    A batch that may have been done, or not, is sent again as it was: it is known by its number.
    """

    def __init__(self) -> None:
        self._waiting: deque[Operation] = deque()
        self._on_its_way: list[Operation] = []
        self.number = 0
        self._most = MOST

    def __len__(self) -> int:
        return len(self._waiting) + len(self._on_its_way)

    @property
    def is_on_its_way(self) -> bool:
        """Whether one is."""
        return bool(self._on_its_way)

    def add(self, operation: Operation) -> None:
        """Have something done after all that is to be done."""
        self._waiting.append(operation)

    def add_first(self, operations: Sequence[Operation]) -> None:
        """Have something done before all that is to be done."""
        self._waiting.extendleft(reversed(operations))

    def remove(self, operation: Operation) -> bool:
        """Have it not done; whether it may have been done already."""
        try:
            self._waiting.remove(operation)
        except ValueError:
            return True
        return False

    def take(self) -> list[Operation]:
        """The batch on its way, or else the next one; empty if there is nothing to do."""
        if not self._on_its_way and self._waiting:
            self.number += 1
            size = 0
            most, self._most = min(self._most, MOST), MOST
            while self._waiting and len(self._on_its_way) < most and size < MOST_BYTES:
                operation = self._waiting.popleft()
                size += operation.size
                self._on_its_way.append(operation)
        return self._on_its_way

    def done(self) -> list[Operation]:
        """The batch on its way is done: what it was."""
        done, self._on_its_way = self._on_its_way, []
        return done

    def put_back(self) -> None:
        """The batch on its way is not done, as Redis is full: what makes room there comes first."""
        self.add_first(self.done())
        freeing = [one for one in self._waiting if one.name == ACKNOWLEDGE]
        others = [one for one in self._waiting if one.name != ACKNOWLEDGE]
        self._waiting = deque([*freeing, *others])
        self._most = len(freeing) or MOST
