"""A call that stands, with both of its ends in one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.rtc import DataChannel, Kind, MediaTrack
from trio_rtc.signaling import Signaling
from trio_rtc.testing import MemoryHub


@dataclass
class Ends:
    """Alice has called Bob."""

    hub: MemoryHub
    alice: Call
    bob: Call
    alice_signaling: Signaling
    bob_signaling: Signaling


@asynccontextmanager
async def open_both(receive: tuple[Kind, ...] = (), **options: Any) -> AsyncIterator[Ends]:
    """Both ends; Bob's handler waits for the end of the call."""
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")
    give, take = trio.open_memory_channel[Call](1)

    async def wait(call: Call) -> None:
        await give.send(call)
        await call.wait_ended()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(wait, bob, task_status=task_status, **options)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            async with open_call(alice, "bob", receive=receive, **options) as call:
                yield Ends(hub, call, await take.receive(), alice, bob)
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving(hub: MemoryHub, **options: Any) -> AsyncIterator[tuple[Signaling, Signaling]]:
    """Alice and Bob, who takes every call."""
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")

    async def wait(call: Call) -> None:
        await call.wait_ended()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(wait, bob, task_status=task_status, **options)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            yield alice, bob
            nursery.cancel_scope.cancel()


async def open_chat(ends: Ends) -> tuple[DataChannel, DataChannel]:
    """Both ends of a channel that Alice has opened."""
    ours = await ends.alice.open_channel("chat")
    return ours, await anext(aiter(ends.bob.channels))


async def works(ours: DataChannel, theirs: DataChannel) -> None:
    """A message goes each way."""
    await ours.send("still there?")
    assert await theirs.receive() == "still there?"
    await theirs.send("yes")
    assert await ours.receive() == "yes"


async def next_track(call: Call) -> MediaTrack:
    """The next track of the other side, which has a frame."""
    track = await anext(aiter(call.tracks))
    await anext(aiter(track))
    return track
