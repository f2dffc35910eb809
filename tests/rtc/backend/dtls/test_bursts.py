"""Bursts of datagrams: several in one system call, and one by one where that cannot be had."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.backend.dtls.bursts import MOST_BYTES, MOST_SEGMENTS, BurstSender, runs
from trio_rtc.rtc.backend.dtls.datagrams import AT_ONCE, quicken

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([9], [[9]]),
        ([9, 9, 9], [[9, 9, 9]]),
        ([9, 9, 4, 9], [[9, 9, 4], [9]]),
        ([4, 9, 9], [[4], [9, 9]]),
        ([9, 4, 4], [[9, 4], [4]]),
        ([30_000] * 3, [[30_000] * 2, [30_000]]),
        ([1] * (MOST_SEGMENTS + 1), [[1] * MOST_SEGMENTS, [1]]),
    ],
)
def test_those_of_one_size_go_together(sizes: list[int], expected: list[list[int]]) -> None:
    assert [[*map(len, run)] for run in runs([bytes(size) for size in sizes])] == expected


@given(st.lists(st.sampled_from([1, 2, 900, 1_400, 16_421, 40_000]), max_size=150))
def test_all_go_in_order_and_the_kernel_takes_each_run(sizes: list[int]) -> None:
    datagrams = [bytes(size) for size in sizes]
    found = list(runs(datagrams))
    assert [data for run in found for data in run] == datagrams
    for run in found:
        assert 0 < len(run) <= MOST_SEGMENTS
        assert len(run) == 1 or sum(map(len, run)) <= MOST_BYTES
        assert all(len(data) == len(run[0]) for data in run[:-1])
        assert len(run[-1]) <= len(run[0])


class Receiver(asyncio.DatagramProtocol):
    """What has come."""

    transport: Any

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._came = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.received.append(data)
        self._came.set()

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(30):
            while len(self.received) < count:
                self._came.clear()
                await self._came.wait()
        return self.received


async def open_receiver() -> Receiver:
    loop = asyncio.get_running_loop()
    _, receiver = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    return receiver


def numbered(count: int, size: int = 100) -> list[bytes]:
    return [number.to_bytes(4, "big") + bytes(size - 4) for number in range(count)]


async def with_sender(use: Callable[[BurstSender, Receiver, Any], Awaitable[None]]) -> None:
    sender, receiver = await open_receiver(), await open_receiver()
    try:
        await use(BurstSender(sender.transport), receiver, receiver.transport._extra["sockname"])
    finally:
        sender.transport.close()
        receiver.transport.close()


@linux
def test_a_burst_is_one_system_call_for_each_run() -> None:
    async def use(sender: BurstSender, receiver: Receiver, address: Any) -> None:
        calls: list[int] = []
        sendmsg: Any = sender._sendmsg

        def count(run: list[bytes], *rest: Any) -> int:
            calls.append(len(run))
            sent: int = sendmsg(run, *rest)
            return sent

        sender._sendmsg = count
        burst = [*numbered(5), b"short", *numbered(2, 50), b"last and alone" * 9]
        sender.send(burst, address)
        assert await receiver.until(len(burst)) == burst
        assert calls == [6, 2]

    asyncio.run(with_sender(use))


@linux
@pytest.mark.parametrize(
    ("error", "is_possible"),
    [
        (OSError(errno.EIO, "the device does not do it"), False),
        (OSError(errno.EINVAL, "too large for the device"), False),
        (BlockingIOError(errno.EAGAIN, "the buffer is full"), True),
    ],
)
def test_what_cannot_go_together_goes_one_by_one(error: OSError, is_possible: bool) -> None:
    async def use(sender: BurstSender, receiver: Receiver, address: Any) -> None:
        def fail(*_: Any) -> int:
            raise error

        sender._sendmsg = fail
        assert sender.is_possible
        for burst in (numbered(3), numbered(3)):
            receiver.received.clear()
            sender.send(burst, address)
            assert await receiver.until(3) == burst
        assert sender.is_possible == is_possible

    asyncio.run(with_sender(use))


@linux
def test_what_waits_for_the_socket_goes_first() -> None:
    async def use(sender: BurstSender, receiver: Receiver, address: Any) -> None:
        transport = sender._transport
        first, *burst = numbered(4)
        # As where the socket has taken no more.
        transport._buffer.append((first, address))
        transport._buffer_size += len(first)
        sender.send(burst, address)
        assert transport.get_write_buffer_size()
        transport._sendto_ready()
        assert await receiver.until(4) == [first, *burst]

    asyncio.run(with_sender(use))


@pytest.mark.parametrize("count", [1, 2, MOST_SEGMENTS, 2 * MOST_SEGMENTS + AT_ONCE + 10])
def test_bursts_are_received_whole_and_in_order(count: int) -> None:
    async def use(sender: BurstSender, receiver: Receiver, address: Any) -> None:
        quicken(receiver)
        burst = [*numbered(count), b"x"]
        sender.send(burst, address)
        assert await receiver.until(len(burst)) == burst
        # None is left over for the next that comes.
        sender.send([b"y"], address)
        assert await receiver.until(len(burst) + 1) == [*burst, b"y"]

    asyncio.run(with_sender(use))


def test_a_socket_is_made_quick_once() -> None:
    async def use(sender: BurstSender, receiver: Receiver, address: Any) -> None:
        quicken(receiver)
        before = vars(receiver.transport)["_sock"], receiver.datagram_received
        quicken(receiver)
        assert (vars(receiver.transport)["_sock"], receiver.datagram_received) == before
        sender.send(numbered(3), address)
        assert await receiver.until(3) == numbered(3)

    asyncio.run(with_sender(use))


def test_one_that_closes_meanwhile_receives_no_more() -> None:
    async def use(sender: BurstSender, receiver: Receiver, address: Any) -> None:
        take = receiver.datagram_received

        def take_and_close(data: bytes, addr: tuple[Any, ...]) -> None:
            take(data, addr)
            receiver.transport.abort()

        receiver.datagram_received = take_and_close  # type: ignore[method-assign]
        quicken(receiver)
        sender.send(numbered(5), address)
        assert (await receiver.until(1))[0] == numbered(1)[0]

    asyncio.run(with_sender(use))
