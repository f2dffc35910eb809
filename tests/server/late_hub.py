"""An engine that answers later, as one does that has to ask somewhere else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import trio

from trio_rtc.server.counters import Statistics
from trio_rtc.server.hub.engine import HubEngine, PendingSend
from trio_rtc.server.hub.hub import Hub, MailboxFull, Member, NoSuchMember, Relayed
from trio_rtc.server.limits import ServerLimits
from trio_rtc.server.scheduling.steps import Step, do_at_once


class LateHub(Hub):
    """It has all that the memory of this process has, but tells what has become of it later.

    Attributes:
        is_reachable: whether it answers at all.
    """

    is_reachable = True

    def __init__(
        self,
        limits: ServerLimits,
        statistics: Statistics,
        do: Callable[[Step], None] = do_at_once,
    ):
        super().__init__(limits, statistics, do)
        self._sent: deque[tuple[Member, Relayed, int, PendingSend]] = deque()

    async def join(self, *args: Any, **options: Any) -> Member:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        return await super().join(*args, **options)

    def send(self, sender: Member, message: Relayed, to: int) -> PendingSend:  # type: ignore[override]
        pending = PendingSend()
        self._sent.append((sender, message, to, pending))
        self._do(self._settle)
        return pending

    def _settle(self) -> bool:
        while self._sent and self.is_reachable:
            sender, message, to, pending = self._sent.popleft()
            try:
                super().send(sender, message, to)
            except (NoSuchMember, MailboxFull) as failure:
                pending.settle(failure)
            else:
                pending.settle()
        return False

    def answer(self) -> None:
        """Be reachable again."""
        self.is_reachable = True
        self._do(self._settle)

    def leave(self, member: Member) -> None:
        # What it has said before goes before.
        self._settle()
        super().leave(member)


def as_engine(hub: LateHub) -> HubEngine:
    """It is one."""
    return hub
