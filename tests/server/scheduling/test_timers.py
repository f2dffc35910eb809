"""One task waits for whatever is due next."""

from __future__ import annotations

import trio
import trio.testing

from trio_rtc.server.scheduling.timers import Timers


class Alarm:
    def __init__(self, rung: list[tuple[str, float]], name: str):
        self._rung = rung
        self._name = name

    def expire(self) -> None:
        self._rung.append((self._name, trio.current_time()))


async def test_each_is_told_at_its_time(autojump_clock: trio.testing.MockClock) -> None:
    timers, rung = Timers(), list[tuple[str, float]]()
    async with trio.open_nursery() as nursery:
        begin = trio.current_time()
        late, early, moved, ended = (Alarm(rung, name) for name in ("a", "b", "c", "d"))
        timers.set(late, begin + 9)
        nursery.start_soon(timers.run)
        await trio.testing.wait_all_tasks_blocked()
        timers.set(early, begin + 1)
        timers.set(moved, begin + 2)
        timers.set(moved, begin + 5)
        timers.set(ended, begin + 3)
        timers.end(ended)
        assert len(timers) == 3
        await trio.sleep(20)
        assert rung == [("b", begin + 1), ("c", begin + 5), ("a", begin + 9)]
        timers.set(early, trio.current_time())
        await trio.testing.wait_all_tasks_blocked()
        assert len(rung) == 4
        nursery.cancel_scope.cancel()


async def test_one_may_set_another(autojump_clock: trio.testing.MockClock) -> None:
    timers, rung = Timers(), list[tuple[str, float]]()

    class Chain(Alarm):
        def expire(self) -> None:
            super().expire()
            if len(rung) < 4:
                timers.set(self, trio.current_time() + 2 - len(rung) % 2)

    async with trio.open_nursery() as nursery:
        begin = trio.current_time()
        nursery.start_soon(timers.run)
        timers.set(Chain(rung, "x"), begin + 1)
        await trio.sleep(20)
        assert [when - begin for _, when in rung] == [1, 2, 4, 5]
        nursery.cancel_scope.cancel()
