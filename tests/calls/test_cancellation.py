"""Calls that are cancelled at one point after the other: nothing is left, and the next works."""

from __future__ import annotations

import trio

from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.errors import TrioRTCError
from trio_rtc.rtc import open_media
from trio_rtc.testing import MemoryHub

from ..rtc.bridge.stepping import cancelled_after_each_step
from ..rtc.virtual import in_virtual_time

STRIDE = 7


async def echo(call: Call) -> None:
    async for channel in call.channels:
        async for message in channel:
            await channel.send(message)


@in_virtual_time
async def test_the_caller_is_cancelled_at_each_step() -> None:
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(echo, bob, task_status=task_status)

    async def call() -> None:
        async with open_call(alice, "bob") as call:
            channel = await call.open_channel("chat")
            await channel.send("hello")
            assert await channel.receive() == "hello"

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        assert await cancelled_after_each_step(call, stride=STRIDE) > 5
        # Whoever was offered a call has been told that there is none.
        assert hub.log.count("alice offer") - hub.log.count("alice bye") in (0, 1)
        await call()
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_the_callee_is_cancelled_at_each_step() -> None:
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")

    async def call() -> None:
        try:
            async with open_call(alice, "bob", connect_timeout=2) as call:
                channel = await call.open_channel("chat")
                await channel.send("hello")
                assert await channel.receive() == "hello"
        except (TrioRTCError, trio.EndOfChannel, trio.BrokenResourceError):
            # Bob has gone in the middle of it.
            pass
        else:
            completed.append(True)

    async def serve_one() -> None:
        async def handle(call: Call) -> None:
            await echo(call)
            done.set()

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await serve_calls(handle, bob, task_status=task_status)

        done = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            callers.start_soon(call)
            await done.wait()
            nursery.cancel_scope.cancel()

    async def all_calls_ended() -> None:
        while callers.child_tasks:  # noqa: ASYNC110  # They end by themselves.
            await trio.sleep(0.05)

    completed: list[bool] = []
    async with trio.open_nursery() as callers:
        cancelled = await cancelled_after_each_step(serve_one, all_calls_ended, stride=STRIDE)
        assert cancelled > 5
    assert completed


async def test_a_call_with_media_is_cancelled_at_many_steps() -> None:
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        async with open_media(audio="tone") as tracks:
            await serve_calls(echo, bob, tracks=tracks, task_status=task_status)

    async def call() -> None:
        async with open_media(audio="tone") as tracks, open_call(alice, "bob", tracks=tracks) as c:
            track = await c.tracks.receive()
            await anext(aiter(track))

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        assert await cancelled_after_each_step(call, stride=23) > 1
        nursery.cancel_scope.cancel()
