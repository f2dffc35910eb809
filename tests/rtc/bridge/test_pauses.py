"""What a program does often in a row is done together, and never late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_rtc.rtc.bridge.pauses import MOMENT, Pauses


def run(program: Callable[[Pauses, list[float]], Awaitable[None]]) -> None:
    """Run it with the times at which something that waits is called."""

    async def main() -> None:
        pauses = Pauses.enter()
        try:
            await program(pauses, [])
        finally:
            pauses.leave()
        assert Pauses._of_this_run.get() is None

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def in_a_row(pauses: Pauses, call: Callable[[], None], count: int) -> None:
    for _ in range(count):
        pauses.at_end(call)
        await trio.lowlevel.checkpoint()


def test_what_goes_on_is_not_interrupted() -> None:
    async def program(pauses: Pauses, times: list[float]) -> None:
        def call() -> None:
            times.append(trio.current_time())

        await in_a_row(pauses, call, 20)
        assert times == []
        # Others go on, but this does not.
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        assert len(times) == 1
        await wait_all_tasks_blocked()
        assert len(times) == 1

    run(program)


def test_a_pause_is_its_end() -> None:
    async def program(pauses: Pauses, times: list[float]) -> None:
        began, count = trio.current_time(), pauses.count
        pauses.at_end(lambda: times.append(trio.current_time()))
        await trio.sleep(60)
        # Not when time has passed that nothing was done in.
        assert times == [began]
        assert pauses.count > count

    run(program)


def test_it_takes_a_moment_at_most() -> None:
    async def program(pauses: Pauses, times: list[float]) -> None:
        def call() -> None:
            times.append(trio.current_time())

        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        await in_a_row(pauses, call, 5)
        clock.jump(MOMENT)
        await in_a_row(pauses, call, 3)
        assert len(times) == 1

    run(program)


def test_what_is_forgotten_is_not_called() -> None:
    async def program(pauses: Pauses, times: list[float]) -> None:
        def call() -> None:
            times.append(0.0)

        pauses.forget(call)
        pauses.at_end(call)
        pauses.forget(call)
        await wait_all_tasks_blocked()
        assert times == []
        pauses.at_end(call)
        pauses.end()
        assert times == [0.0]
        await wait_all_tasks_blocked()
        assert times == [0.0]

    run(program)


def test_all_of_a_run_share_them() -> None:
    async def main() -> None:
        times: list[str] = []
        first, second = Pauses.enter(), Pauses.enter()
        assert first is second
        first.leave()
        second.at_end(lambda: times.append("end"))
        second.leave()
        assert times == ["end"]
        third = Pauses.enter()
        assert third is not first
        third.leave()

    trio.run(main)


@pytest.mark.parametrize("autojump", [0, float("inf")])
def test_a_clock_of_its_own(autojump: float) -> None:
    async def main() -> None:
        pauses = Pauses.enter()
        called = trio.Event()
        pauses.at_end(called.set)
        await called.wait()
        pauses.leave()

    trio.run(main, clock=MockClock(autojump_threshold=autojump))
