"""Chores: work in steps, of which each turn of the server does one."""

from __future__ import annotations

from typing import NoReturn

import trio

from .flush_batches import FlushBatch
from .steps import Step


class Chores:
    """What is to be done in steps. Each of those that are there gets one in each turn."""

    def __init__(self, flush_batch: FlushBatch) -> None:
        self._flush_batch = flush_batch
        self.is_running = False
        self._steps: dict[Step, None] = {}
        self._added = trio.Event()

    def add(self, step: Step) -> None:
        """Have something done; once, however often it is added before that."""
        self._steps[step] = None
        self._added.set()

    async def run(self) -> NoReturn:
        """Do what is added until cancelled."""
        self.is_running = True
        try:
            while True:
                await self._added.wait()
                while self._steps:
                    self._take_steps()
                    await trio.lowlevel.checkpoint()
                self._added = trio.Event()
        finally:
            self.is_running = False

    def _take_steps(self) -> None:
        with self._flush_batch:
            for step in list(self._steps):
                del self._steps[step]
                if step():
                    self._steps[step] = None
