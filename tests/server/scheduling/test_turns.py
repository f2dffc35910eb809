"""Tasks wait for turns, in which each network has its share; nobody waits without need."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing

from trio_rtc.server.scheduling.flush_batches import FlushBatch
from trio_rtc.server.scheduling.turns import TURN_SECONDS, WORK_SECONDS, Turns

#: How many tasks go on in a turn.
IN_A_TURN = TURN_SECONDS / WORK_SECONDS


async def running(turns: Turns, nursery: trio.Nursery) -> None:
    nursery.start_soon(turns.run)
    await trio.testing.wait_all_tasks_blocked()


async def test_of_many_at_once_some_go_on_in_each_turn() -> None:
    turns = Turns(FlushBatch())
    order: list[int] = []
    counts: list[int] = []

    async def one(number: int) -> None:
        await turns.wait("a")
        order.append(number)

    async def count() -> None:
        while len(order) < 40:
            counts.append(len(order))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await running(turns, nursery)
        for number in range(40):
            nursery.start_soon(one, number)
        nursery.start_soon(count)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(order) == list(range(40))
        # Those that go on at once come to those of a turn, and Trio does not say which of two
        # tasks is first.
        assert all(after - before <= 3 * IN_A_TURN for before, after in itertools.pairwise(counts))
        nursery.cancel_scope.cancel()


async def test_others_do_not_wait_for_all_of_one() -> None:
    turns = Turns(FlushBatch())
    order: list[str] = []

    async def one(client_network: str) -> None:
        await turns.wait(client_network)
        order.append(client_network)

    async with trio.open_nursery() as nursery:
        await running(turns, nursery)
        for _ in range(200):
            nursery.start_soon(one, "greedy")
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        before = len(order)
        assert before < 100
        await one("modest")
        assert len(order) - before < 4 * IN_A_TURN
        await trio.testing.wait_all_tasks_blocked()
        assert len(order) == 201
        nursery.cancel_scope.cancel()


async def test_each_of_many_who_need_all_of_a_turn_has_one() -> None:
    turns = Turns(FlushBatch())
    entered = 0
    counts: list[int] = []

    async def enter() -> None:
        nonlocal entered
        await turns.wait("a", TURN_SECONDS)
        entered += 1

    async def count() -> None:
        while entered < 10:
            counts.append(entered)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await running(turns, nursery)
        nursery.start_soon(count)
        for _ in range(10):
            nursery.start_soon(enter)
        await trio.testing.wait_all_tasks_blocked()
        assert entered == 10
        assert all(after - before <= 2 for before, after in itertools.pairwise(counts))
        nursery.cancel_scope.cancel()


async def test_whoever_comes_alone_goes_on_at_once() -> None:
    turns = Turns(FlushBatch())
    async with trio.open_nursery() as nursery:
        await running(turns, nursery)
        while turns.is_free:
            with trio.testing.assert_no_checkpoints():
                await turns.wait("a")
        # That was a turn; the next ones begin with the next.
        with trio.testing.assert_checkpoints():
            await turns.wait("a")
        await trio.testing.wait_all_tasks_blocked()
        with trio.testing.assert_no_checkpoints():
            await turns.wait("a")
        nursery.cancel_scope.cancel()


async def test_one_that_is_cancelled_takes_nobodys_turn() -> None:
    turns = Turns(FlushBatch())
    gone: list[int] = []

    async def one(number: int) -> None:
        await turns.wait("a")
        gone.append(number)

    async with trio.open_nursery() as nursery:
        await running(turns, nursery)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as inner:
                for number in range(50):
                    inner.start_soon(one, number)
                await trio.lowlevel.checkpoint()
                scope.cancel()
        assert len(gone) < 50
        gone.clear()
        nursery.start_soon(one, 50)
        await trio.testing.wait_all_tasks_blocked()
        assert gone == [50]
        nursery.cancel_scope.cancel()


async def test_without_a_server_nobody_waits() -> None:
    turns = Turns(FlushBatch())
    for _ in range(50):
        with trio.testing.assert_no_checkpoints():
            await turns.wait("a")
    async with trio.open_nursery() as nursery, trio.open_nursery() as inner:
        await running(turns, inner)
        for _ in range(50):
            nursery.start_soon(turns.wait, "a")
        await trio.lowlevel.checkpoint()
        inner.cancel_scope.cancel()
    with trio.testing.assert_no_checkpoints():
        await turns.wait("a")


@pytest.mark.parametrize("is_alone", [True, False])
async def test_what_is_done_in_a_turn_is_answered_in_one(is_alone: bool) -> None:
    flush_batch = FlushBatch()
    turns = Turns(flush_batch)
    done: list[str] = []

    class Connection:
        def flush(self) -> None:
            done.append("flushed")

    connection = Connection()

    def job() -> float:
        done.append("done")
        flush_batch.mark(connection)
        return 0.0

    for number in range(3):
        turns.put("a" if is_alone else f"{number}", job)
    turns.work()
    assert done == ["done", "done", "done", "flushed"]
