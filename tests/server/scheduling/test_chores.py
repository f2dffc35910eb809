"""What is too much for one turn is done in several, and nobody waits for the end of it."""

from __future__ import annotations

import trio
import trio.testing

from trio_rtc.server import ServerLimits
from trio_rtc.server.scheduling.chores import Chores
from trio_rtc.server.scheduling.flush_batches import FlushBatch

from ..harness import memory_server
from ..native_client import join


async def test_others_come_between_the_steps() -> None:
    chores = Chores(FlushBatch())
    done: list[str] = []

    def step() -> bool:
        done.append("step")
        return done.count("step") < 5

    async def other() -> None:
        for _ in range(3):
            done.append("other")
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(chores.run)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            chores.add(step)
        nursery.start_soon(other)
        await trio.testing.wait_all_tasks_blocked()
        assert done.count("step") == 5
        last_of_others = len(done) - 1 - done[::-1].index("other")
        assert "step" in done[last_of_others:]
        # It can be given something again.
        done.clear()
        chores.add(step)
        await trio.testing.wait_all_tasks_blocked()
        assert done == ["step"] * 5
        nursery.cancel_scope.cancel()


async def test_many_who_are_due_at_once_all_leave(autojump_clock: trio.testing.MockClock) -> None:
    limits = ServerLimits(resume_seconds=10)
    async with memory_server(limits=limits) as server:
        for number in range(200):
            await (await join(server, f"{number}", room="crowd")).aclose()
        await trio.sleep(9)
        assert server.statistics.peers["native"] == 200
        await trio.sleep(3)
        assert server.statistics.peers["native"] == 0
        assert server.statistics.over_limit["resume_seconds"] == 200
