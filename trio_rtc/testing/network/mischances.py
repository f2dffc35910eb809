"""Random loss and delay of packets, one by one, to be left out of a run that fails."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from .network_link import Mischance


class Fault(NamedTuple):
    """Something that chance has done to a packet.

    Attributes:
        link: whose packet it was: the name of the host or router, with ``up`` or ``down``.
        number: of the packet on this link, from 1.
        kind: ``loss``, ``reordering`` or ``duplication``.
    """

    link: str
    number: int
    kind: Mischance

    def __str__(self) -> str:
        return f"{self.kind} of packet {self.number} on {self.link}"


class Faults:
    """All of a run.

    Args:
        only: those that may happen; None: all that chance brings.

    Attributes:
        seen: those that have happened.
    """

    def __init__(self, only: Collection[Fault] | None = None):
        self.seen: list[Fault] = []
        self._only = None if only is None else frozenset(only)

    def on(self, link: str) -> Callable[[int, Mischance], bool]:
        """What decides on a link whether something happens to a packet that may."""

        def happens(number: int, kind: Mischance) -> bool:
            fault = Fault(link, number, kind)
            if self._only is not None and fault not in self._only:
                return False
            self.seen.append(fault)
            return True

        return happens
