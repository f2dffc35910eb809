"""`serve_calls` with ``accept``: it rings before a call is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.errors import CallError
from trio_rtc.signaling import Peer, Signaling
from trio_rtc.testing import MemoryHub

from ..rtc.virtual import in_virtual_time


async def wait(call: Call) -> None:
    await call.wait_ended()


@asynccontextmanager
async def ringing(
    accept: Callable[[Peer], Awaitable[object]], connect_timeout: float = 30
) -> AsyncIterator[tuple[MemoryHub, Signaling]]:
    """Bob, whom `accept` asks, and Alice."""
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(
                partial(serve_calls, wait, bob, accept=accept, connect_timeout=connect_timeout)
            )
            yield hub, alice
            nursery.cancel_scope.cancel()


@in_virtual_time
async def test_nothing_is_answered_before_it_is_accepted() -> None:
    answer = trio.Event()
    asked: list[Peer] = []

    async def accept(peer: Peer) -> bool:
        asked.append(peer)
        await answer.wait()
        return True

    async with ringing(accept) as (hub, alice), trio.open_nursery() as nursery:

        async def call() -> None:
            async with open_call(alice, "bob") as call:
                assert call.peer.name == "bob"

        nursery.start_soon(call)
        # The candidates come meanwhile, and are not lost.
        await hub.wait_for("alice end")
        await wait_all_tasks_blocked()
        assert asked == [Peer(1, "alice")]
        assert not [entry for entry in hub.log if entry.startswith("bob")]
        answer.set()


@in_virtual_time
async def test_who_is_not_accepted_is_told_at_once() -> None:
    async def decline(_: Peer) -> bool:
        return False

    async with ringing(decline) as (_, alice):
        with pytest.raises(CallError, match=r"declined the call$") as error:
            async with open_call(alice, "bob"):
                pass
        assert error.value.code == "peer_hung_up"


@in_virtual_time
async def test_a_caller_who_gives_up_ends_the_ringing() -> None:
    over = trio.Event()

    async def accept(_: Peer) -> None:
        try:
            await trio.sleep_forever()
        finally:
            over.set()

    async with ringing(accept) as (hub, alice):
        with trio.move_on_after(0.1):
            async with open_call(alice, "bob"):
                pass
        await over.wait()
        # Nor is it told anything after its own goodbye.
        await wait_all_tasks_blocked()
        assert not [entry for entry in hub.log if entry.startswith("bob")]


@in_virtual_time
async def test_a_caller_who_leaves_ends_the_ringing() -> None:
    over, rings = trio.Event(), trio.Event()

    async def accept(_: Peer) -> None:
        rings.set()
        try:
            await trio.sleep_forever()
        finally:
            over.set()

    async with ringing(accept) as (hub, alice), trio.open_nursery() as nursery:

        async def call() -> None:
            async with open_call(alice, "bob"):
                pass

        nursery.start_soon(call)
        await rings.wait()
        hub.sign_out(alice)
        await over.wait()
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_who_calls_again_while_it_rings_rings_again() -> None:
    rings: list[Peer] = []

    async def accept(peer: Peer) -> bool:
        rings.append(peer)
        if len(rings) == 1:
            await trio.sleep_forever()
        return True

    async with ringing(accept) as (hub, alice):
        # The goodbye of the first call is lost, as of a page that is loaded again.
        hub.drop("alice bye")
        with trio.move_on_after(0.1):
            async with open_call(alice, "bob"):
                pass
        async with open_call(alice, "bob"):
            pass
    assert len(rings) == 2


@in_virtual_time
async def test_it_does_not_ring_for_ever() -> None:
    async def accept(_: Peer) -> None:
        await trio.sleep_forever()

    async with ringing(accept, connect_timeout=0.2) as (_, alice):
        with pytest.raises(CallError, match="declined the call"):
            async with open_call(alice, "bob"):
                pass


@in_virtual_time
async def test_one_that_fails_ends_its_call_only(caplog: pytest.LogCaptureFixture) -> None:
    fails = True

    async def accept(_: Peer) -> bool:
        if fails:
            raise RuntimeError("the bell is broken")
        return True

    async with ringing(accept) as (_, alice):
        with pytest.raises(CallError, match="declined the call: internal_error"):
            async with open_call(alice, "bob"):
                pass
        assert "the bell is broken" in caplog.text
        fails = False
        async with open_call(alice, "bob"):
            pass
