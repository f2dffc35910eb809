"""Backpressure from the reader to the sender, and what becomes of messages on the way."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.errors import MessageTooLarge
from trio_rtc.rtc import DataChannel
from trio_rtc.rtc.channels import budget
from trio_rtc.rtc.channels.extension import MAX_MESSAGE_SIZE, WINDOW
from trio_rtc.rtc.channels.framing import PART_SIZE, cost

from ...waiting import until
from ..pairs import open_channels
from ..virtual import in_virtual_time

LARGE = bytes(range(256)) * (5 * WINDOW // 256)


@pytest.fixture(autouse=True)
def no_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that stay as they are: by how much they grow depends on the machine."""
    monkeypatch.setattr(budget, "MAX_GROWTH", 0)


def is_stopped(channel: DataChannel, size: int) -> bool:
    """Whether a sender waits for room for so many bytes."""
    stats = channel.statistics()
    full = stats.current_buffer_used + cost(size) > stats.max_buffer_size
    return full and stats.tasks_waiting_send == 1


@pytest.mark.parametrize("options", [{}, {"ordered": False}])
@pytest.mark.parametrize("size", [1000, PART_SIZE])
@in_virtual_time
async def test_a_reader_that_does_not_read_stops_the_sender(
    size: int, options: dict[str, Any]
) -> None:
    sent = 0
    total = 2 * WINDOW // cost(size)

    async def send() -> None:
        nonlocal sent
        for _ in range(total):
            await ours.send(b"x" * size)
            sent += 1

    async with open_channels(**options) as (ours, theirs, _, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await until(lambda: is_stopped(ours, size))
            await until(lambda: theirs.statistics().unread_messages == sent)
            assert sent == WINDOW // cost(size)
            assert theirs.statistics().unread_bytes == sent * size
            # The other direction goes on, and so do other channels.
            await theirs.send("still there?")
            assert await ours.receive() == "still there?"
            for _ in range(total):
                assert await theirs.receive() == b"x" * size
        assert sent == total
        stats = theirs.statistics()
        assert (stats.unread_messages, stats.unread_bytes) == (0, 0)
        assert (stats.messages_received, stats.bytes_received) == (total, total * size)


@pytest.mark.parametrize("options", [{}, {"ordered": False}])
@in_virtual_time
async def test_a_message_that_is_larger_than_the_window(options: dict[str, Any]) -> None:
    text = LARGE.decode("latin-1")
    async with open_channels(**options) as (ours, theirs, _, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.send, LARGE)
            assert await theirs.receive() == LARGE
            nursery.start_soon(ours.send, text)
            assert await theirs.receive() == text
        # Read late, behind another.
        async with trio.open_nursery() as nursery:
            await ours.send("first")
            await until(lambda: theirs.statistics().unread_messages == 1)
            nursery.start_soon(ours.send, LARGE)
            await until(lambda: is_stopped(ours, PART_SIZE))
            assert await theirs.receive() == "first"
            assert await theirs.receive() == LARGE
        await ours.send("last")
        assert await theirs.receive() == "last"


@in_virtual_time
async def test_over_the_limit_between_two_of_ours() -> None:
    async with open_channels() as (ours, theirs, _, _):
        assert ours.max_message_size == theirs.max_message_size == MAX_MESSAGE_SIZE
        with pytest.raises(MessageTooLarge, match=str(MAX_MESSAGE_SIZE)) as caught:
            await ours.send(bytes(MAX_MESSAGE_SIZE + 1))
        assert caught.value.fault == "local"
        await ours.send("next")
        assert await theirs.receive() == "next"


@pytest.mark.parametrize("options", [{}, {"ordered": False}])
@in_virtual_time
async def test_a_send_is_cancelled_in_the_middle_of_a_message(options: dict[str, Any]) -> None:
    async with open_channels(**options) as (ours, theirs, _, _):
        for _ in range(3):
            await ours.send("first")
            await until(lambda: theirs.statistics().unread_messages == 1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours.send, LARGE)
                await until(lambda: is_stopped(ours, PART_SIZE))
                nursery.cancel_scope.cancel()
            assert await theirs.receive() == "first"
            await ours.send("next")
            assert await theirs.receive() == "next"
        assert ours.statistics().messages_sent == 6
        # What was given up holds no credit back.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.send, LARGE)
            assert await theirs.receive() == LARGE


@in_virtual_time
async def test_a_send_that_waits_for_credit_hears_of_the_end() -> None:
    for end, expected in (
        ("ours", trio.ClosedResourceError),
        ("theirs", trio.BrokenResourceError),
        ("connection", trio.BrokenResourceError),
    ):

        async def send(expected: type[Exception] = expected) -> None:
            with pytest.raises(expected):
                await ours.send(LARGE)

        async with open_channels() as (ours, theirs, alice, bob):
            async with trio.open_nursery() as nursery:
                await ours.send("unread")
                await until(lambda: theirs.statistics().unread_messages == 1)
                nursery.start_soon(send)
                await until(lambda: is_stopped(ours, PART_SIZE))
                if end == "ours":
                    await ours.aclose()
                elif end == "theirs":
                    await theirs.aclose()
                else:
                    await bob.connection.aclose()
                    await alice.over.wait()
            if end != "theirs":
                assert await theirs.receive() == "unread"
                with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)):
                    await theirs.receive()


@in_virtual_time
async def test_several_senders_of_large_messages() -> None:
    messages = [bytes([number]) * (3 * PART_SIZE + number) for number in range(8)]
    async with open_channels() as (ours, theirs, _, _), trio.open_nursery() as nursery:
        for message in messages:
            nursery.start_soon(ours.send, message)
        assert sorted([await theirs.receive() for _ in messages], key=str) == sorted(
            messages, key=str
        )


@pytest.mark.parametrize(
    "options", [{"max_retransmits": 0}, {"ordered": False, "max_packet_life_time": 5000}]
)
@in_virtual_time
async def test_where_messages_may_be_lost_the_newest_stay(options: dict[str, Any]) -> None:
    count = 3 * WINDOW // PART_SIZE
    async with open_channels(**options) as (ours, theirs, _, _):
        for number in range(count):
            await ours.send(bytes([number]) * PART_SIZE)
            # Nothing gets lost on the way: the network has time.
            await until(lambda: theirs.statistics().messages_received == number + 1)  # noqa: B023
        stats = theirs.statistics()
        assert stats.unread_bytes <= WINDOW
        assert stats.messages_dropped == count - stats.unread_messages > 0
        newest = range(stats.messages_dropped, count)
        assert [(await theirs.receive())[0] for _ in newest] == list(newest)


@in_virtual_time
async def test_statistics_of_a_channel_that_is_not_open() -> None:
    async with open_channels() as (_, _, alice, _):
        channel = await alice.connection.create_data_channel("negotiated", negotiated=True, id=9)
        stats = channel.statistics()
        assert (stats.current_buffer_used, stats.tasks_waiting_receive) == (0, 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(channel.receive)
            await wait_all_tasks_blocked()
            assert channel.statistics().tasks_waiting_receive == 1
            nursery.cancel_scope.cancel()
