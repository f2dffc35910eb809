"""`serve_channels`: each channel has a task, and none of them ends another."""

from __future__ import annotations

import logging
from functools import partial

import pytest
import trio

from trio_rtc.calls.channel_serving import serve_channels
from trio_rtc.errors import CallError
from trio_rtc.rtc import DataChannel

from .both_sides import open_both


async def echo(channel: DataChannel) -> None:
    async for message in channel:
        if message == "fail":
            raise RuntimeError("as asked")
        if message == "stop":
            return
        await channel.send(message)


async def test_channels_are_served_at_once_and_each_ends_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "trio_rtc.call")
    async with open_both() as ends, trio.open_nursery() as nursery:
        await nursery.start(partial(serve_channels, echo, ends.bob))
        first = await ends.alice.open_channel("first")
        second = await ends.alice.open_channel("second")
        for channel in (second, first):
            await channel.send("hello")
            assert await channel.receive() == "hello"
        await first.send("fail")
        with pytest.raises(trio.EndOfChannel):
            await first.receive()
        await second.send("still there?")
        assert await second.receive() == "still there?"
        await second.send("stop")
        with pytest.raises(trio.EndOfChannel):
            await second.receive()
        nursery.cancel_scope.cancel()
    (failed,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "the channel 'first' of alice (1) failed: RuntimeError('as asked')" in failed.message


async def test_it_ends_with_the_call_and_its_handlers(caplog: pytest.LogCaptureFixture) -> None:
    ended = trio.Event()

    async def wait(channel: DataChannel) -> None:
        try:
            await channel.receive()
        finally:
            ended.set()

    async with open_both() as ends, trio.open_nursery() as nursery:

        async def serve() -> None:
            with pytest.raises(CallError) as error:
                await serve_channels(wait, ends.bob)
            assert error.value.code == "call_ended"
            assert ended.is_set()

        nursery.start_soon(serve)
        await ends.alice.open_channel("chat")
        await ends.alice.hang_up()
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


async def test_cancelling_closes_the_channels() -> None:
    async with open_both() as ends:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_channels, echo, ends.bob))
            channel = await ends.alice.open_channel("chat")
            await channel.send("hello")
            assert await channel.receive() == "hello"
            nursery.cancel_scope.cancel()
        with pytest.raises(trio.EndOfChannel):
            await channel.receive()
