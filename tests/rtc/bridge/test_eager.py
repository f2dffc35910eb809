"""Work that begins at once, and goes on in a task if it has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from trio_rtc.rtc.bridge.eager import start_eagerly
from trio_rtc.rtc.bridge.ownership import Owner, start_owned


@contextmanager
def owned(errors: list[BaseException]) -> Iterator[None]:
    asyncio.get_running_loop().set_task_factory(start_owned)
    with Owner(errors.append).owning():
        yield


def test_what_does_not_wait_is_done_at_once() -> None:
    async def main() -> None:
        async def work() -> None:
            steps.append("work")

        started = start_eagerly(work())
        steps.append("caller")
        assert started is None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    steps: list[str] = []
    asyncio.run(main())
    assert steps == ["work", "caller"]


def test_what_waits_goes_on_in_a_task() -> None:
    async def main() -> None:
        first: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        second: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            results.append(await first)
            try:
                await second
            except LookupError as error:
                results.append(error)
            async with asyncio.timeout(30):
                await asyncio.sleep(0)
            results.append("end")

        started = start_eagerly(work())
        assert started is not None
        first.set_result(7)
        while not results:  # noqa: ASYNC110
            await asyncio.sleep(0)
        second.set_exception(failure)
        await started

    failure = LookupError("gone")
    results: list[object] = []
    asyncio.run(main())
    assert results == [7, failure, "end"]


@pytest.mark.parametrize("waits", [False, True])
def test_an_error_is_told_to_the_owner(waits: bool) -> None:
    async def main() -> None:
        async def work() -> None:
            if waits:
                await asyncio.sleep(0)
            raise failure

        with owned(errors):
            started = start_eagerly(work())
        assert started is not None
        await asyncio.wait([started])

    failure = ConnectionError("lost")
    errors: list[BaseException] = []
    asyncio.run(main())
    assert errors == [failure]


def test_the_rest_can_be_cancelled() -> None:
    async def main() -> None:
        async def work() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0)
                steps.append("end")

        started = start_eagerly(work())
        assert started is not None
        await asyncio.sleep(0)
        started.cancel()
        with pytest.raises(asyncio.CancelledError):
            await started

    steps: list[str] = []
    asyncio.run(main())
    assert steps == ["end"]
