"""What is too much for one turn is done in several, and nobody waits for the end of it."""

from __future__ import annotations

import itertools

import trio
import trio.testing

from trio_rtc.server import ServerLimits
from trio_rtc.server.chores import Chores, Entrance, Turn, TurnPacer
from trio_rtc.server.hub.flush_batches import FlushBatch

from .harness import memory_server
from .native_client import join


def test_a_turn_does_not_ask_for_more_than_it_does() -> None:
    things = iter(range(10))
    turn = Turn(4)
    assert list(turn.some(things)) == [0, 1, 2, 3]
    assert turn.is_over
    assert list(turn.some(things)) == []
    turn = Turn(7)
    assert list(turn.some(things)) == [4, 5, 6, 7, 8, 9]
    assert not turn.is_over


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


async def test_of_many_at_once_some_go_on_in_each_turn() -> None:
    chores = Chores(FlushBatch())
    pace = TurnPacer(chores, 3)
    order: list[int] = []
    turns = 0

    async def one(number: int) -> None:
        await pace.wait()
        order.append(number)

    async def count() -> None:
        nonlocal turns
        while len(order) < 20:
            before = len(order)
            await trio.lowlevel.checkpoint()
            assert len(order) - before <= 6
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(chores.run)
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as gone:
            async with trio.open_nursery() as inner:
                for _ in range(4):
                    inner.start_soon(pace.wait)
                await trio.lowlevel.checkpoint()
                gone.cancel()
        for number in range(20):
            nursery.start_soon(one, number)
        nursery.start_soon(count)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(order) == list(range(20))
        assert turns >= 20 / 6
        nursery.cancel_scope.cancel()


async def test_whoever_waits_goes_on_at_the_end() -> None:
    chores = Chores(FlushBatch())
    pace = TurnPacer(chores, 1)
    # Nobody would have those go on who wait.
    for _ in range(3):
        await pace.wait()
    async with trio.open_nursery() as nursery:
        await nursery.start(run_and_stop, chores, pace)
        for _ in range(5):
            nursery.start_soon(pace.wait)


async def run_and_stop(
    chores: Chores, pace: TurnPacer, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(chores.run)
        await trio.testing.wait_all_tasks_blocked()
        task_status.started()
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    pace.stop()


async def test_each_of_many_who_enter_at_once_has_a_turn_of_its_own(
    mock_clock: trio.testing.MockClock,
) -> None:
    entrance = Entrance()
    entered: list[int] = []
    turns: list[int] = []

    async def enter(number: int) -> None:
        async with entrance:
            entered.append(number)

    async def count() -> None:
        while len(entered) < 10:
            turns.append(len(entered))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        for number in range(10):
            nursery.start_soon(enter, number)
    assert all(after - before <= 2 for before, after in itertools.pairwise(turns))
    assert sorted(entered) == list(range(10))


async def test_whoever_comes_alone_enters_at_once(mock_clock: trio.testing.MockClock) -> None:
    entrance = Entrance()
    for _ in range(3):
        with trio.testing.assert_no_checkpoints():
            async with entrance:
                pass
        with trio.testing.assert_checkpoints():
            async with entrance:
                pass
        mock_clock.jump(1)
