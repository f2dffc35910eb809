"""A connection that is lost, and comes back, or does not."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest
import trio

from trio_rtc.calls.options import CallStep
from trio_rtc.errors import CallError, SignalingLost
from trio_rtc.rtc import open_media
from trio_rtc.signaling import Peer
from trio_rtc.testing import describe

from ..rtc.cutting import cut
from ..rtc.virtual import in_virtual_time
from .both_sides import Ends, next_track, open_both, open_chat, works

QUICK: dict[str, Any] = {"silence_timeout": 0.5}


class Steps:
    """Waits for steps of either side."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._changed = trio.Event()

    def trace(self, step: CallStep) -> None:
        self.names.append(step.name)
        self._changed.set()
        self._changed = trio.Event()

    async def wait_for(self, name: str, times: int = 1) -> None:
        while self.names.count(name) < times:
            await self._changed.wait()


def cut_both(ends: Ends) -> AbstractContextManager[None]:
    return cut(ends.alice._connection, ends.bob._connection)


async def test_a_restart_by_the_application_is_not_felt() -> None:
    async with open_media(video="pattern") as [video], open_both() as ends:
        ours, theirs = await open_chat(ends)
        await ends.alice.add_track(video)
        frames = aiter(await next_track(ends.bob))
        for call in (ends.alice, ends.bob, ends.alice):
            await call.restart()
            await works(ours, theirs)
            await anext(frames)
        assert ends.alice.end is None


@in_virtual_time
async def test_both_restart_at_once() -> None:
    async with open_both() as ends:
        ours, theirs = await open_chat(ends)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ends.alice.restart)
            nursery.start_soon(ends.bob.restart)
        await works(ours, theirs)


@in_virtual_time
async def test_a_lost_connection_is_restored_and_nothing_is_lost() -> None:
    steps = Steps()
    async with open_both(trace=steps.trace, **QUICK) as ends:
        ours, theirs = await open_chat(ends)
        # For good: only another way helps.
        with cut_both(ends):
            await ours.send("while nobody hears")
            # The other side may be found again before it has noticed.
            await steps.wait_for("disconnected", 1)
            assert await theirs.receive() == "while nobody hears"
            await works(ours, theirs)
            await steps.wait_for("connected", 3)
        assert ends.alice.end is None


@in_virtual_time
async def test_a_restart_goes_on_until_signaling_works_again() -> None:
    async with open_both(**QUICK) as ends:
        ours, theirs = await open_chat(ends)
        lost = 0

        async def lose_some(sender: Peer, data: bytes) -> None:
            nonlocal lost
            if describe(data) == "offer" and lost < 3:
                lost += 1
                raise SignalingLost("no way")

        ends.hub.delay = lose_some
        with cut_both(ends):
            await works(ours, theirs)
        assert lost == 3


@in_virtual_time
async def test_a_connection_that_does_not_come_back_ends_the_call() -> None:
    async with open_both(restart_timeout=1, **QUICK) as ends:
        ours, theirs = await open_chat(ends)

        async def lose(sender: Peer, data: bytes) -> None:
            await trio.sleep_forever()

        ends.hub.delay = lose
        with cut_both(ends):
            reasons = [str(await call.wait_ended()) for call in (ends.alice, ends.bob)]
            assert set(reasons) <= {"connection_lost", "peer_hung_up: connection_lost"}
            assert "connection_lost" in reasons
            for channel in (ours, theirs):
                with pytest.raises((trio.BrokenResourceError, trio.EndOfChannel)):
                    await channel.receive()
        ends.hub.delay = None


@in_virtual_time
async def test_no_restart_is_wanted() -> None:
    async with open_both(restart_timeout=0, **QUICK) as ends:
        with cut_both(ends):
            assert str(await ends.alice.wait_ended()).endswith("connection_lost")
        assert ends.hub.log.count("alice offer") + ends.hub.log.count("bob offer") == 1


async def test_a_peer_that_leaves_the_server_stays_in_the_call() -> None:
    async with open_both() as ends:
        ours, theirs = await open_chat(ends)
        ends.hub.sign_out(ends.bob_signaling)
        # The news takes a turn, and what is done about it asks the other side once.
        for _ in range(20):
            await works(ours, theirs)
        assert ends.alice.end is None


@in_virtual_time
async def test_a_peer_that_is_gone_and_has_left_the_server() -> None:
    async with open_both() as ends:
        with cut_both(ends):
            ends.hub.sign_out(ends.bob_signaling)
            # At once, and not when silence or a restart has had its time.
            with trio.fail_after(4):
                assert (await ends.alice.wait_ended()).reason == "peer_left"


@in_virtual_time
async def test_a_restart_that_nobody_answers() -> None:
    async with open_both(connect_timeout=5) as ends:
        ours, theirs = await open_chat(ends)

        async def lose(sender: Peer, data: bytes) -> None:
            if describe(data) == "answer":
                await trio.sleep_forever()

        ends.hub.delay = lose
        with pytest.raises(CallError) as caught:
            await ends.alice.restart()
        assert caught.value.code == "restart_failed"
        await works(ours, theirs)
        ends.hub.delay = None


@in_virtual_time
async def test_hanging_up_while_the_connection_is_lost() -> None:
    steps = Steps()
    async with open_both(trace=steps.trace, close_timeout=1, **QUICK) as ends:
        await open_chat(ends)

        async def lose(sender: Peer, data: bytes) -> None:
            if describe(data) != "bye":
                await trio.sleep_forever()

        ends.hub.delay = lose
        with cut_both(ends):
            await steps.wait_for("disconnected")
            await ends.alice.hang_up("enough")
            assert str(await ends.bob.wait_ended()) == "peer_hung_up: enough"
