"""Channels between two processes."""

from __future__ import annotations

import hashlib

import pytest
import trio

from trio_rtc import Call, CallError, ChannelStream

from .calling import call_process


async def test_messages_of_all_sizes() -> None:
    messages: list[str | bytes] = ["", b"", "grüße", b"x" * 65536, b"y" * 65537, "z" * 3_000_000]
    async with (
        call_process() as (call, _),
        await call.open_channel("echo") as channel,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(send_all, channel, messages)
        for message in messages:
            assert await channel.receive() == message


async def send_all(channel: trio.abc.SendChannel[str | bytes], messages: list[str | bytes]) -> None:
    for message in messages:
        await channel.send(message)


@pytest.mark.parametrize("hang_up", [True, False])
async def test_what_was_accepted_arrives(hang_up: bool) -> None:
    digest = hashlib.sha256()
    async with call_process() as (call, bob):
        channel = await call.open_channel("count")
        for number in range(200):
            message = bytes([number]) * 20_000
            digest.update(message)
            await channel.send(message)
        # Right after the last one.
        if hang_up:
            await call.hang_up()
        else:
            await channel.aclose()
        counted = await bob.event("counted")
        assert (counted["messages"], counted["size"]) == (200, 4_000_000)
        assert counted["sha256"] == digest.hexdigest()


async def test_what_comes_first_is_not_lost() -> None:
    async with call_process() as (call, _):
        for _ in range(10):
            channel = await call.open_channel("greet")
            await trio.sleep(0.01)
            assert [message async for message in channel] == [str(number) for number in range(10)]
            await channel.aclose()


async def test_the_other_side_dies() -> None:
    async with call_process(silence_timeout=1, restart_timeout=1) as (call, bob):
        channel = await call.open_channel("ignore")
        await channel.send("in flight?")
        async with trio.open_nursery() as nursery:

            async def fill() -> None:
                with pytest.raises(trio.BrokenResourceError):
                    while True:
                        await channel.send(b"x" * 60_000)

            nursery.start_soon(fill)
            await call.open_channel("die")
            with pytest.raises(trio.BrokenResourceError):
                await channel.receive()
        end = await call.wait_ended()
        assert end.reason in ("peer_left", "connection_lost")
        with pytest.raises(CallError):
            await call.open_channel("another")
        assert await bob.exit_status() == -9


async def test_streams_one_after_the_other() -> None:
    async with call_process() as (call, _):
        for number in range(50):
            channel = await call.open_channel("stream")
            async with ChannelStream(channel) as stream:
                await stream.send_all(b"%d" % number)
                await stream.send_eof()
                assert b"".join([data async for data in stream]) == b"%d" % number


async def test_many_streams_at_once() -> None:
    async with call_process() as (call, _), trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(echo_over_stream, call, bytes([number]) * 100_000)


async def echo_over_stream(call: Call, data: bytes) -> None:
    async with (
        ChannelStream(await call.open_channel("stream")) as stream,
        trio.open_nursery() as nursery,
    ):

        async def send() -> None:
            await stream.send_all(data)
            await stream.send_eof()

        nursery.start_soon(send)
        assert b"".join([part async for part in stream]) == data
