"""Calls that are cancelled while something is negotiated in them, at one point after the other."""

from __future__ import annotations

import trio

from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.errors import TrioRTCError
from trio_rtc.rtc import open_track
from trio_rtc.testing import MemoryHub

from ..rtc.bridge.stepping import cancelled_after_each_step
from ..rtc.media.pictures import tone
from ..rtc.virtual import in_virtual_time

STRIDE = 13


async def change(call: Call) -> None:
    """Everything that is negotiated in a call that stands."""
    async with open_track("audio", tone()) as track:
        await call.restart()
        await call.add_track(track)
        await call.open_channel("chat")
        await call.stats()


async def wait(call: Call) -> None:
    await call.wait_ended()


@in_virtual_time
async def test_the_caller_is_cancelled_at_each_step() -> None:
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")

    async def call() -> None:
        async with open_call(alice, "bob", receive=()) as call:
            await change(call)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_calls, wait, bob)
        assert await cancelled_after_each_step(call, stride=STRIDE) > 5
        await call()
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_the_callee_is_cancelled_at_each_step() -> None:
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")

    async def call() -> None:
        try:
            async with open_call(alice, "bob", connect_timeout=2) as call:
                await call.wait_ended()
        except TrioRTCError:
            # Bob has gone before the call was complete.
            pass

    async def answer() -> None:
        done = trio.Event()

        async def handle(call: Call) -> None:
            await change(call)
            done.set()

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await serve_calls(handle, bob, task_status=task_status)

        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            callers.start_soon(call)
            await done.wait()
            nursery.cancel_scope.cancel()

    async def all_calls_ended() -> None:
        while callers.child_tasks:  # noqa: ASYNC110
            await trio.sleep(0.05)

    async with trio.open_nursery() as callers:
        cancelled = await cancelled_after_each_step(answer, all_calls_ended, stride=STRIDE)
        assert cancelled > 5
