"""Presence notices: who comes and goes in a room, told in as many steps as it takes. No I/O.

A room keeps a log of what is to be told, and each member knows how much of it it has heard. So
whoever comes or goes costs the same in a room of any size; the telling comes after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class Presence:
    """A notice: another member of the room is there, or not any more."""

    id: int
    name: str
    connected: bool
    protocol: str = ""


class Hearer(Protocol):
    """Somebody in a room.

    Attributes:
        present: whether it still is.
        noticed: up to which number it has heard the room's log.
    """

    present: bool
    noticed: int


M = TypeVar("M", bound=Hearer)


class Room(Generic[M]):
    """The members of a room, and what they are still to hear.

    Args:
        tell: gives a member its next notices.

    Attributes:
        members: by their ids, in the order in which they came.
        end: the number behind the last notice.
    """

    __slots__ = ("_log", "_put_notices", "_round", "_round_end", "end", "members")

    def __init__(self, put_notices: Callable[[M, list[Presence]], None]):
        self.members: dict[int, M] = {}
        self._put_notices = put_notices
        self._log: list[Presence] = []
        self.end = 0
        # Those who have not heard yet what there is up to a number.
        self._round: deque[M] = deque()
        self._round_end = 0

    @property
    def _begin(self) -> int:
        return self.end - len(self._log)

    @property
    def is_behind(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._log)

    def add(self, notice: Presence) -> None:
        """Have something told to all who are members now."""
        self._log.append(notice)
        self.end += 1

    def catch_up(self, member: M) -> int:
        """Tell a member all that there is; give how much that was."""
        notices = self._log[member.noticed - self._begin :]
        member.noticed = self.end
        if notices:
            self._put_notices(member, notices)
        return len(notices)

    def step(self, most: int) -> None:
        """Tell about so many notices. What is added meanwhile is told to all as well."""
        while most > 0 and self._log:
            if self._round:
                member = self._round.popleft()
                if member.present:
                    most -= 1 + self.catch_up(member)
            else:
                del self._log[: self._round_end - self._begin]
                self._round.extend(self.members.values())
                self._round_end = self.end
