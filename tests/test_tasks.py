from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
import trio
from trio.testing import MockClock

import trio_rtc.rtc
from trio_rtc.errors import CallError, SignalingError
from trio_rtc.peerjs import open_peerjs
from trio_rtc.tasks import CANCELLED_GRACE, last_words, open_background_nursery, to_the_end
from trio_rtc.testing import MemoryHub


async def test_background_tasks_end_with_the_block() -> None:
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            await trio.sleep_forever()
        finally:
            ended = True

    async with open_background_nursery() as nursery:
        nursery.start_soon(work)
        await trio.testing.wait_all_tasks_blocked()
        assert not ended
    assert ended


async def test_an_error_of_the_block_or_a_task_comes_out_as_itself() -> None:
    async def fail() -> None:
        raise KeyError("task")

    with pytest.raises(KeyError, match="block"):
        async with open_background_nursery():
            raise KeyError("block")
    with pytest.raises(KeyError, match="task") as caught:
        async with open_background_nursery() as nursery:
            nursery.start_soon(fail)
            await trio.sleep_forever()
    assert caught.traceback[-1].name == "fail"


async def test_the_cause_of_an_error_is_kept() -> None:
    with pytest.raises(CallError) as caught:
        async with open_background_nursery():
            raise CallError("x") from OSError("cause")
    assert isinstance(caught.value.__cause__, OSError)


async def test_one_fault_seen_by_two_tasks_is_one_error() -> None:
    async def fail(error: Exception) -> None:
        raise error

    with pytest.raises((CallError, SignalingError)) as caught:
        async with open_background_nursery() as nursery:
            nursery.start_soon(fail, CallError("one"))
            nursery.start_soon(fail, SignalingError("two"))
    assert len(caught.value.__notes__) == 1


async def test_several_unexpected_errors_stay_a_group() -> None:
    async def fail(error: Exception) -> None:
        raise error

    with pytest.raises(ExceptionGroup) as caught:
        async with open_background_nursery() as nursery:
            nursery.start_soon(fail, CallError("one"))
            nursery.start_soon(fail, KeyError("two"))
    assert len(caught.value.exceptions) == 2


async def test_cancelling_from_outside_is_cancellation() -> None:
    with trio.CancelScope() as scope:
        async with open_background_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_last_words_have_their_time(autojump_clock: MockClock) -> None:
    start = trio.current_time()
    async with last_words(5):
        await trio.sleep_forever()
    assert trio.current_time() - start == 5
    async with last_words(5):
        await trio.sleep(3)
    assert trio.current_time() - start == 8


@pytest.mark.parametrize("cancelled_at", [0, 2])
async def test_last_words_are_shorter_for_those_who_are_cancelled(
    autojump_clock: MockClock, cancelled_at: float
) -> None:
    start = trio.current_time()
    with trio.move_on_after(cancelled_at):
        async with last_words(5):
            await trio.sleep_forever()
    assert trio.current_time() - start == cancelled_at + CANCELLED_GRACE


async def test_last_words_within_the_grace_are_said(autojump_clock: MockClock) -> None:
    said = False
    with trio.CancelScope() as scope:
        scope.cancel()
        async with last_words(5):
            await trio.sleep(CANCELLED_GRACE / 2)
            said = True
    assert said


async def test_what_cleans_up_is_not_cancelled() -> None:
    done = []

    async def clean_up(what: str) -> None:
        await trio.sleep(0.01)
        done.append(what)

    with trio.CancelScope() as scope:
        scope.cancel()
        await to_the_end(clean_up, "cancelled")
    assert done == ["cancelled"]
    with pytest.raises(KeyError, match="own"):
        await to_the_end(_fail)


async def _fail() -> None:
    raise KeyError("own")


def test_ctrl_c_does_not_end_what_cleans_up() -> None:
    done = []

    async def clean_up() -> None:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
            await trio.sleep(0.01)
        done.append(True)

    async def main() -> None:
        await to_the_end(clean_up)

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert done


def entries() -> dict[str, Callable[[], AbstractAsyncContextManager[object] | Awaitable[object]]]:
    alice = MemoryHub().sign_in("alice")
    return {
        "open_media": lambda: trio_rtc.open_media(video="pattern"),
        "open_track": lambda: trio_rtc.open_track("video", None),  # type: ignore[arg-type]
        "record_media": lambda: trio_rtc.record_media("never.mp4"),
        "open_peer_connection": trio_rtc.rtc.open_peer_connection,
        "open_signaling": lambda: trio_rtc.open_signaling("ws://localhost:1", name="alice"),
        "open_peerjs": lambda: open_peerjs("http://localhost:1/"),
        "serve_signaling": lambda: trio_rtc.serve_signaling(0),
        "serve_calls": lambda: trio_rtc.serve_calls(None, alice),  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("name", entries())
def test_under_asyncio_one_sentence_tells_what_is_wrong(name: str) -> None:
    async def enter() -> None:
        entry = entries()[name]()
        if isinstance(entry, AbstractAsyncContextManager):
            async with entry:
                pass
        else:
            await entry

    with pytest.raises(RuntimeError, match="in a task of Trio only"):
        asyncio.run(enter())
