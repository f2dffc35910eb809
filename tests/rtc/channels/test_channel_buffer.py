"""Backpressure towards a peer that knows no credit: by what is buffered for the network."""

from __future__ import annotations

import asyncio

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.errors import MessageTooLarge
from trio_rtc.rtc import DataChannel
from trio_rtc.rtc.backend.sctp.channel import LoopChannel
from trio_rtc.rtc.channels.outbox import HIGH_WATER

from ..pairs import open_channels
from ..virtual import in_virtual_time


class Stalled:
    """A network that takes nothing until it is released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, channel: DataChannel) -> None:
        self.asked = 0
        self.cancelled = 0
        self._channel = channel
        self._waiting = trio.Event()
        self._released = asyncio.Event()
        drained = LoopChannel.drained

        async def stalled(channel: LoopChannel, size: int) -> tuple[int, int]:
            self.asked += 1
            self._waiting.set()
            try:
                await self._released.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            return await drained(channel, size)

        monkeypatch.setattr(LoopChannel, "drained", stalled)

    async def wait(self) -> None:
        """Wait until somebody waits for it."""
        await self._waiting.wait()
        await wait_all_tasks_blocked()

    def release(self) -> None:
        self._channel._bridge.call_soon(self._released.set)


@in_virtual_time
async def test_backpressure(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0
    size = 32 * 1024

    async def send() -> None:
        nonlocal sent
        for _ in range(2 * HIGH_WATER // size):
            await ours.send(b"x" * size)
            sent += 1
        await ours.aclose()

    async with open_channels(strangers=True) as (ours, theirs, _, _):
        stalled = Stalled(monkeypatch, ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await stalled.wait()
            assert sent == HIGH_WATER // size
            assert stalled.asked == 1
            stalled.release()
            received = [message async for message in theirs]
        assert len(received) == sent == 2 * HIGH_WATER // size


@in_virtual_time
async def test_a_small_message_waits_behind_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_channels(strangers=True) as (ours, theirs, _, _):
        stalled = Stalled(monkeypatch, ours)
        chunk = b"x" * 200_000
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                await ours.send(chunk)
            nursery.start_soon(ours.send, chunk)
            await stalled.wait()
            nursery.start_soon(ours.send, "small")
            await wait_all_tasks_blocked()
            stalled.release()
            assert [await theirs.receive() for _ in range(6)] == [chunk] * 6
            assert await theirs.receive() == "small"


async def fill(channel: DataChannel) -> None:
    for _ in range(16):
        await channel.send(b"x" * (HIGH_WATER // 16))


@in_virtual_time
async def test_a_send_that_waits_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_channels(strangers=True) as (ours, theirs, _, _):
        stalled = Stalled(monkeypatch, ours)
        await fill(ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.send, "cancelled")
            await stalled.wait()
            nursery.cancel_scope.cancel()
        assert stalled.cancelled == 1
        stalled.release()
        await ours.send("next")
        for _ in range(16):
            assert len(await theirs.receive()) == HIGH_WATER // 16
        assert await theirs.receive() == "next"


@pytest.mark.parametrize("end", ["ours", "theirs", "connection"])
@in_virtual_time
async def test_a_send_that_waits_hears_of_the_end(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    expected = trio.ClosedResourceError if end == "ours" else trio.BrokenResourceError

    async def send() -> None:
        with pytest.raises(expected):
            await ours.send("too late")

    async with open_channels(strangers=True) as (ours, theirs, alice, _):
        stalled = Stalled(monkeypatch, ours)
        await fill(ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await stalled.wait()
            if end == "ours":
                await ours.aclose()
            elif end == "theirs":
                await theirs.aclose()
            else:
                await alice.connection.aclose()
            while not ours.closed:
                await wait_all_tasks_blocked(0.001)
            stalled.release()


@in_virtual_time
async def test_a_message_that_is_too_large() -> None:
    async with open_channels(strangers=True) as (ours, theirs, _, _):
        limit = 262_144
        for message in (b"x" * (limit + 1), "x" * (limit + 1), "🌍" * (limit // 4 + 1)):
            with pytest.raises(MessageTooLarge, match=r"26214[58]") as caught:
                await ours.send(message)
            assert (caught.value.code, caught.value.fault) == ("message_too_large", "local")
        # The channel lives on, and takes the largest.
        await ours.send(b"x" * limit)
        assert await theirs.receive() == b"x" * limit
