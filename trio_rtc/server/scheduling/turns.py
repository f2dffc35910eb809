"""Turns of a server's time: none is long, and each client network has its share of them.

Trio has every task run whose time has come before it looks at sockets again. So what many tasks
do at once, as the connections of one address may, all others wait for. Here they wait themselves:
for one of the next turns, in the order of `Shares`. Nothing is read meanwhile, so that the kernel
holds back who sends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

import trio

from .flush_batches import FlushBatch
from .shares import Shares

TURN_SECONDS: Final = 0.0015
"""How long a turn is: then others come, whoever they are."""

WORK_SECONDS: Final = 0.0003
"""What counts as used by a task that goes on: about what a request takes."""

Job = Callable[[], float]
"""Does something, and tells how many seconds that took."""


class Turns:
    """Hands out turns. Until it runs, and when it does not any more, nobody waits for one."""

    def __init__(self, flush_batch: FlushBatch) -> None:
        self.flush_batch = flush_batch
        self._shares: Shares[Job] = Shares()
        self._added = trio.Event()
        self._left = TURN_SECONDS
        self._running = False

    @property
    def is_free(self) -> bool:
        """Whether nobody waits, and there is time left in this turn."""
        return (self._left > 0 and not self._shares) or not self._running

    @property
    def are_awaited(self) -> bool:
        """Whether somebody waits for one."""
        return bool(self._shares)

    def renew(self) -> None:
        """A turn begins, unless somebody waits for it."""
        if not self._shares:
            self._left = TURN_SECONDS

    def take(self, seconds: float = WORK_SECONDS) -> None:
        """Use some time of this turn at once."""
        self._left -= seconds

    def put(self, client_network: str, job: Job) -> None:
        """Have something done in a turn of this client network."""
        self._shares.put(client_network, job)
        self._added.set()

    async def wait(self, client_network: str, seconds: float = WORK_SECONDS) -> None:
        """Go on at once, or in a turn of this client network."""
        if self.is_free:
            self._left -= seconds
            return
        waiter = _TurnWaiter(seconds)
        self.put(client_network, waiter)
        await trio.lowlevel.wait_task_rescheduled(waiter.abort)

    def work(self) -> None:
        """Do what fits into a turn."""
        left = TURN_SECONDS
        with self.flush_batch:
            while left > 0 and (share := self._shares.take()) is not None:
                client_network, job = share
                seconds = job()
                self._shares.charge(client_network, seconds)
                left -= seconds
        self._left = left

    async def run(self) -> NoReturn:
        """Hand out turns until cancelled; then everybody goes on who waits."""
        self._running = True
        try:
            while True:
                await self._added.wait()
                while self._shares:
                    self.work()
                    await trio.lowlevel.checkpoint()
                self._left = TURN_SECONDS
                self._added = trio.Event()
        finally:
            self._running = False
            while (share := self._shares.take()) is not None:
                share[1]()


class _TurnWaiter:
    """A task that waits for a turn."""

    __slots__ = ("_seconds", "_task")

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._task: trio.lowlevel.Task | None = trio.lowlevel.current_task()

    def abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def __call__(self) -> float:
        if self._task is None:
            return 0.0
        trio.lowlevel.reschedule(self._task)
        self._task = None
        return self._seconds
