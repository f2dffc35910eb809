from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.rtc.bridge import engines
from trio_rtc.rtc.bridge.bridge import Bridge, open_bridge

from ..conftest import threads
from .stepping import cancelled_after_each_step


@pytest.fixture(params=engines.ENGINES, autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All of this holds for both."""
    name: str = request.param
    monkeypatch.setenv("TRIO_RTC_ENGINE", name)
    return name


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is about threads."""
    monkeypatch.setenv("TRIO_RTC_ENGINE", "portal")


async def add(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


async def fail_inside(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


class Sleeper:
    """An asyncio function that sleeps until it is cancelled, and notes what happens."""

    def __init__(self, cleanup: Callable[[], Awaitable[object]] | None = None) -> None:
        self.started = threading.Event()
        self.log: list[str] = []
        self._cleanup = cleanup

    async def __call__(self) -> str:
        self.log.append("started")
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            if self._cleanup is not None:
                await self._cleanup()
            self.log.append("ended")
        raise AssertionError

    async def wait_started(self) -> None:
        await trio.to_thread.run_sync(self.started.wait)


async def test_values() -> None:
    async with open_bridge() as bridge:
        assert await bridge.run(add, 1, 2) == 3


async def test_its_thread(engine: str) -> None:
    async def thread() -> int:
        return threading.get_ident()

    async with open_bridge() as bridge:
        is_ours = await bridge.run(thread) == threading.get_ident()
    assert is_ours == (engine == "stepped")


async def test_exceptions_with_their_traceback() -> None:
    async with open_bridge() as bridge:
        with pytest.raises(KeyError, match="inside") as caught:
            await bridge.run(fail_inside, KeyError("inside"))
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert names[-1] == "fail_inside"
        assert await bridge.run(add, 1, 2) == 3


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_a_base_exception_does_not_end_the_loop(kind: type[BaseException]) -> None:
    async with open_bridge() as bridge:
        with pytest.raises(kind, match="inside"):
            await bridge.run(fail_inside, kind("inside"))
        assert await bridge.run(add, 1, 2) == 3


async def test_cancelling_waits_for_the_end_of_the_asyncio_task() -> None:
    sleeper = Sleeper(lambda: asyncio.sleep(0.02))
    async with open_bridge() as bridge:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bridge.run, sleeper)
            await sleeper.wait_started()
            nursery.cancel_scope.cancel()
        assert sleeper.log == ["started", "ended"]


async def test_cancelled_before_it_starts() -> None:
    sleeper = Sleeper()
    async with open_bridge() as bridge:
        with trio.CancelScope() as scope:
            scope.cancel()
            await bridge.run(sleeper)
        assert scope.cancelled_caught
    assert sleeper.log == []


@pytest.mark.usefixtures("portal")
async def test_a_cancel_that_comes_before_the_first_step() -> None:
    # The loop is held up, so that it finds the start and the cancelling in one batch.
    held, release = threading.Event(), threading.Event()
    sleeper = Sleeper()

    def hold() -> None:
        held.set()
        release.wait()

    async with open_bridge() as bridge:
        bridge.call_soon(hold)
        await trio.to_thread.run_sync(held.wait)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bridge.run, sleeper)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            await trio.lowlevel.cancel_shielded_checkpoint()
            release.set()
        assert sleeper.log == []
        assert await bridge.run(add, 1, 2) == 3


async def test_a_cancel_that_loses_the_race() -> None:
    async def insist() -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "a value all the same"
        raise AssertionError

    async def run() -> None:
        results.append(await bridge.run(insist))

    started = threading.Event()
    results: list[str] = []
    async with open_bridge() as bridge:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await trio.to_thread.run_sync(started.wait)
            nursery.cancel_scope.cancel()
        assert results == ["a value all the same"]


async def test_an_error_while_cancelling_wins() -> None:
    async def fail() -> None:
        raise KeyError("cleanup")

    sleeper = Sleeper(fail)
    async with open_bridge() as bridge:
        with pytest.RaisesGroup(pytest.RaisesExc(KeyError, match="cleanup")):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bridge.run, sleeper)
                await sleeper.wait_started()
                nursery.cancel_scope.cancel()


async def test_cancelled_from_elsewhere() -> None:
    async def cancel_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    async with open_bridge() as bridge:
        with pytest.raises(RuntimeError, match="cancelled from elsewhere"):
            await bridge.run(cancel_itself)


async def test_the_order_of_what_crosses() -> None:
    log: list[str] = []

    async def run(number: int) -> None:
        log.append(f"run {number}")
        for part in range(3):
            bridge.post(log.append, f"post {number}.{part}")

    async with open_bridge() as bridge:
        for number in range(3):
            bridge.call_soon(log.append, f"soon {number}")
            await bridge.run(run, number)
            # What it posted is there before it returns.
            assert log[-1] == f"post {number}.2"
    assert log == [
        entry
        for n in range(3)
        for entry in (f"soon {n}", f"run {n}", f"post {n}.0", f"post {n}.1", f"post {n}.2")
    ]


async def test_posts_run_in_the_thread_of_trio() -> None:
    threads_seen: list[int] = []

    async def post() -> None:
        bridge.post(lambda: threads_seen.append(threading.get_ident()))

    async with open_bridge() as bridge:
        await bridge.run(post)
    assert threads_seen == [threading.get_ident()]


class CountingToken:
    """A token of Trio that counts how often it is used."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token
        self.used = 0

    def run_sync_soon(self, fn: Callable[[], object], *, idempotent: bool) -> None:
        self.used += 1
        self._token.run_sync_soon(fn, idempotent=idempotent)


@pytest.mark.usefixtures("portal")
async def test_a_burst_from_the_loop_is_one_wake_up() -> None:
    log: list[int] = []

    async def burst() -> None:
        for number in range(1000):
            bridge.post(log.append, number)

    async with open_bridge() as bridge:
        assert isinstance(bridge._engine, engines.Portal)
        token = CountingToken(bridge._engine._token)
        bridge._engine._token = token  # type: ignore[assignment]
        await bridge.run(burst)
        # One for the burst, one for the end of the task.
        assert token.used <= 2
    assert log == list(range(1000))


@pytest.mark.usefixtures("portal")
async def test_a_burst_to_the_loop_is_few_wake_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[int] = []
    used = 0

    async with open_bridge() as bridge:
        assert isinstance(bridge._engine, engines.Portal)
        threadsafe = bridge._engine._loop.call_soon_threadsafe
        held, release = threading.Event(), threading.Event()

        def count(fn: Callable[[], object]) -> None:
            nonlocal used
            used += 1
            threadsafe(fn)

        def hold() -> None:
            held.set()
            release.wait()

        monkeypatch.setattr(bridge._engine._loop, "call_soon_threadsafe", count)
        bridge.call_soon(hold)
        await trio.to_thread.run_sync(held.wait)
        for number in range(1000):
            bridge.call_soon(log.append, number)
        release.set()
        assert await bridge.run(add, 1, 2) == 3
        monkeypatch.undo()
    assert log == list(range(1000))
    assert used <= 3


@pytest.mark.parametrize("kind", [KeyError, SystemExit])
async def test_an_error_of_a_posted_function_ends_the_block(kind: type[BaseException]) -> None:
    def fail() -> None:
        raise kind("posted")

    async def post() -> None:
        bridge.post(fail)

    with pytest.raises(kind, match="posted"):
        async with open_bridge() as bridge:
            await bridge.run(post)
            await trio.sleep_forever()
    await assert_loop_works()


@pytest.mark.parametrize("kind", [KeyError, SystemExit])
async def test_an_error_of_call_soon_ends_the_block(kind: type[BaseException]) -> None:
    def fail() -> None:
        raise kind("called")

    with pytest.raises(kind, match="called"):
        async with open_bridge() as bridge:
            bridge.call_soon(fail)
            await trio.sleep_forever()
    await assert_loop_works()


async def assert_loop_works() -> None:
    async with open_bridge() as bridge:
        assert await bridge.run(add, 1, 2) == 3


async def test_closed() -> None:
    log: list[str] = []

    async def post() -> None:
        bridge.post(log.append, "posted")

    async with open_bridge() as other:
        async with open_bridge() as bridge:
            pass
        with pytest.raises(trio.ClosedResourceError):
            await bridge.run(add, 1, 2)
        bridge.call_soon(log.append, "called")
        await other.run(post)
        await other.run(asyncio.sleep, 0)
    assert log == []


async def test_closing_cancels_what_runs_and_waits_for_it() -> None:
    # A task outside of the block, which the block cannot cancel.
    sleeper = Sleeper(lambda: asyncio.sleep(0.02))

    async def run(bridge: Bridge) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await bridge.run(sleeper)
        sleeper.log.append("raised")

    async with trio.open_nursery() as nursery:
        async with open_bridge() as bridge:
            nursery.start_soon(run, bridge)
            await sleeper.wait_started()
        assert sleeper.log[:2] == ["started", "ended"]
    assert sleeper.log == ["started", "ended", "raised"]


async def test_the_error_of_the_block_comes_out_as_itself() -> None:
    with pytest.raises(KeyError, match="block"):
        async with open_bridge():
            raise KeyError("block")


async def test_bridges_share_one_loop_which_ends_with_the_last(engine: str) -> None:
    async def loop() -> int:
        return id(asyncio.get_running_loop())

    async with open_bridge() as first:
        async with open_bridge() as second:
            assert await first.run(loop) == await second.run(loop)
            assert len(threads()) == (engine == "portal")
        assert len(threads()) == (engine == "portal")
    assert threads() == []
    await assert_loop_works()


@pytest.mark.usefixtures("portal")
def test_two_runs_of_trio_share_one_loop() -> None:
    both = threading.Barrier(2)
    loops: list[int] = []
    errors: list[BaseException] = []

    async def loop() -> int:
        return id(asyncio.get_running_loop())

    async def use() -> None:
        async with open_bridge() as bridge:
            await trio.to_thread.run_sync(both.wait)
            loops.append(await bridge.run(loop))
            for number in range(50):
                assert await bridge.run(add, number, 1) == number + 1
            await trio.to_thread.run_sync(both.wait)

    def run() -> None:
        try:
            trio.run(use)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
            both.abort()

    runs = [threading.Thread(target=run) for _ in range(2)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    assert errors == []
    assert len(set(loops)) == 1


@pytest.mark.usefixtures("portal")
def test_a_post_after_the_run_is_dropped() -> None:
    kept: list[Bridge] = []
    log: list[str] = []

    async def use() -> None:
        async with open_bridge() as bridge:
            kept.append(bridge)

    async def post() -> None:
        kept[0].post(log.append, "late")

    # Something else keeps the loop.
    with engines.Portal._provider as portal:
        trio.run(use)
        portal.call(post)
        portal.call(asyncio.sleep, 0)
    assert log == []


async def test_many_calls_at_once() -> None:
    results: list[int] = []

    async def one(bridge: Bridge, number: int) -> None:
        results.append(await bridge.run(add, number, 0))

    async with open_bridge() as bridge, trio.open_nursery() as nursery:
        for number in range(500):
            nursery.start_soon(one, bridge, number)
    assert sorted(results) == list(range(500))


async def test_other_threads_in_use_do_not_keep_us_from_leaving() -> None:
    limiter = trio.to_thread.current_default_thread_limiter()
    release = threading.Event()

    async def occupy() -> None:
        await trio.to_thread.run_sync(release.wait)

    async with trio.open_nursery() as nursery:
        try:
            with trio.fail_after(30):
                async with open_bridge() as bridge:
                    for _ in range(int(limiter.total_tokens)):
                        nursery.start_soon(occupy)
                    await wait_all_tasks_blocked()
                    assert await bridge.run(add, 1, 2) == 3
        finally:
            release.set()


async def test_cancelled_at_every_step() -> None:
    entered: list[str] = []

    async def work() -> None:
        async with open_bridge() as bridge:
            entered.append("in")
            assert await bridge.run(add, 1, 2) == 3
            bridge.call_soon(entered.append, "called")
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(bridge.run, add, number, 1)

    steps = await cancelled_after_each_step(work)
    assert steps > 3
    assert threads() == []
